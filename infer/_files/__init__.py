"""Files and folders on disk: reading, walking, replacing.

Whatever is written is complete or absent, never a mixture of old and new, even after a crash.
"""
