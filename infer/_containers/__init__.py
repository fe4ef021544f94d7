"""Numbers, lists, arrays and tensors in; the same kind and shape out."""
