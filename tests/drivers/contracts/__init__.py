"""What the test of every driver inherits: one suite a kind of driver (see drivers/contracts.py)."""
