"""What every kind of connector has: image, faults, backlog, commands."""
