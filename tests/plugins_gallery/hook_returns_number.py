"""Announces something that cannot be iterated over."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_families():
    return 42
