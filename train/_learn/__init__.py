"""Torch models that learn by recipes, and the judge that checks whether they reached the optimum.

A recipe that runs until the optimum reaches it or raises an error. A stopped fit resumes to the
same bits.
"""
