"""Writers of the files next to a card, one module per format, without torch or onnx.

The bytes of a file are a function of the card. ``export`` writes what ``content`` returns. Before
``infer`` passes a file to a runtime, ``read`` computes the expected bytes from the card and rejects
any other file without opening it. So a file from a stranger cannot make a runtime run code, open
files, loop, inflate or crash.
"""
