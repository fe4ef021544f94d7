"""The content of a card, for a fit and for a calibration.

A card depends on the fit alone: it contains no time, host or path, so the same fit gives the same
bytes.
"""
