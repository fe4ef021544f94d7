"""The language of models: how a program is written, computed, bounded and expanded.

All evaluators of a program return the same bits.
"""
