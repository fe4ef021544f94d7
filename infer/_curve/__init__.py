"""What can be asked of a curve besides its value: intervals and inverses.

An inverse is exact to the last bit that the curve resolves.
"""
