"""What the command line reads and prints.

A mistake of the user ends in one message that says what to type instead, never in a traceback.
"""
