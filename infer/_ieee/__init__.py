"""Floats and nothing else: bits, rounding, shortest decimals, inputs that are hard to round.

Every function is exact or rounds once.
"""
