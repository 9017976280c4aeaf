"""One line and its owner: serial and TCP ports, bus access."""
