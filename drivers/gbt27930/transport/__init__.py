"""Single frames and J1939-21 transfers."""
