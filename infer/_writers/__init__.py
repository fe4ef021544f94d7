"""Writers of the files beside a card, one module a format; they need neither torch nor onnx.

The bytes of a file are a function of the card, and a runtime sees no other bytes. ``export`` writes
what ``content`` returns. Before ``infer`` hands a file to a runtime, ``read`` makes its content
again from the card, and refuses a file that differs by a byte. So a file from a stranger cannot
make a runtime run code, open files, loop, inflate or crash: it is refused without being opened.
"""
