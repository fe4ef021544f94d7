"""The runtimes, as a table. Each is one file with the same small face.

A runtime's module has one function, ``load(artifact, device) -> Evaluator``, and is imported when
somebody asks for it. An evaluator is native to one kind of container (its ``carrier``); the
model converts whatever it was given to that and back.
"""
