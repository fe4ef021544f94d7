"""The parts of Parquet and Arrow files that their readers believe without checking.

What a file claims is compared with the bytes that are there before any reader sees it.
"""
