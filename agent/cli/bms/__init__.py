"""``pile-agent bms``."""
