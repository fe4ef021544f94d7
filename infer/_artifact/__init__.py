"""An artifact on disk: ``model.json`` and the folder around it.

Nothing is returned before it has been checked: files against the card, the card against the format.
"""
