"""The cards of fits and calibrations."""
