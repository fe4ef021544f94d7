"""Input and output of the command ``calibrate``: files to read; text, report and plot to write.

Nothing here computes: every number comes from the calibration. All files are written completely or
not at all.
"""
