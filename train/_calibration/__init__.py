"""From exact sums to a calibration: degree, residuals, warnings, and the curve that is served.

Every reported number is the exact value, correctly rounded. The error of the served curve is
bounded over the whole domain.
"""
