"""Calls with numbers, lists, arrays and tensors: the same kind and shape comes back.

Each input value is rounded once to the dtype of the model. No library is imported for a caller who
does not use it already, except that a long list may import numpy.
"""
