"""Runtimes, as a table: each runs the same program and returns the same bits.

Each runtime is one file with ``load(artifact, device) -> Evaluator``, imported on demand. An
evaluator works on one kind of container (its ``carrier``); ``_containers`` converts to it and back.
"""
