"""From files of readings to exact columns.

Every value is exactly the number in the file; a row with anything else is reported as invalid.
"""
