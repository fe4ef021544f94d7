"""Engines, as a table: they map a function over items of work, on this machine or on a cluster.

An engine knows nothing about the function. The first error ends the work, and no further item is
started. Each engine is one file with ``load(address, holds_lock=...) -> Engine``, imported on
demand.
"""
