"""What ``make run`` shows: one whole charge on the simulated bench, live in the terminal."""
