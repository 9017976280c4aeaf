"""The message table of GB/T 27930, and its codec."""
