"""The permission to energise, its rules and its numbers."""
