"""The simulated vehicle: battery, BMS side of GB/T 27930-2015 and its own process."""
