"""The device families that a site file may name and that are not files of their own."""

MODULE_MODELS = ("infypower",)
"""Families of power modules with a driver."""
INSULATION_MODELS = ("acrel-aim-d100",)
"""Insulation monitors with a driver."""
