"""Announces names instead of families."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_families():
    return ["sunsets"]
