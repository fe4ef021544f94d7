"""What a card says, for a fit and for a calibration."""
