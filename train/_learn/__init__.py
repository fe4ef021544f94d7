"""Torch models that learn by recipes, and the judge that says whether they got there."""
