"""The tutorials that the models come from: their recipes, and the numbers that they printed.

The table of models takes its rows of ``recipes``, ``python -m train --table`` compares with
``printed``; nothing else uses them.
"""
