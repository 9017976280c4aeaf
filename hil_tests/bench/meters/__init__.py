"""Meters of the bench: any register map of config/meters, served as the meter would, with faults."""
