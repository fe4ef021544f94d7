"""An artifact on disk: ``model.json`` and the folder around it.

Nothing is returned that was not checked against the card, and the card against the format.
"""
