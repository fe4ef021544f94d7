"""Checks of an artifact: integrity of its files, and parity of all runtimes.

Parity is compared bit for bit, with the plain-text program on Python floats as the reference.
"""
