"""Rational arithmetic, exact sums and least squares.

Results are exact or rounded once, whatever the order of the readings.
"""
