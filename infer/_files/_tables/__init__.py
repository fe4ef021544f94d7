"""The parts of Parquet and Arrow files that their readers trust without checking.

What a file claims is compared with its actual bytes before any reader sees it.
"""
