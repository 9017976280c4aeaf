"""A connector that is only followed."""
