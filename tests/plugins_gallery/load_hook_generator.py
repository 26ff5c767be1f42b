"""Writes `load_model` as a generator function."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def load_model(card):
    if card.id == "mine":
        yield None
