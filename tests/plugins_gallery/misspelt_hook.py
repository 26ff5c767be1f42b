"""Misspells a hook."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_familys():
    return []
