"""Files and folders on disk: one way to replace a file, one way to replace a folder."""
