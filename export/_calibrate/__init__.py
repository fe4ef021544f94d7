"""What the command ``calibrate`` reads and prints."""
