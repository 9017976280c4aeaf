"""Follows the dialogue of a charger and a vehicle from outside."""
