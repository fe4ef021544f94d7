"""From files of readings to exact columns.

A value is the number that the file says, or its row is named as invalid.
"""
