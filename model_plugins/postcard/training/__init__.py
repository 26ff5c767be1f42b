"""Trains the embedded model from nothing on programmatically drawn scenes.

Run it with ``python -m model_plugins.postcard.training --help``. The server imports none of this.
"""
