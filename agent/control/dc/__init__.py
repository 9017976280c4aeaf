"""A DC connector that charges."""
