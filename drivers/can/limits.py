"""Limits that every way onto a CAN bus keeps."""

LATEST_SEND_S = 0.1
"""A frame is handed to the adapter within this time after ``send`` has taken it, or never. Own: the shortest period of
GB/T 27930 is 50 ms, and what is older has been replaced by the next one."""
