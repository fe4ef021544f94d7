"""Torch models trained by recipes, and the judge that computes the exact optimum."""
