"""From exact sums to a calibration: selection, residuals, advice, and the served curve."""
