"""``pile-agent meter``."""
