"""What can be asked of a curve besides its value: intervals and inverses."""
