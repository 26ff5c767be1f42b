"""Wraps a hook that cannot be wrapped."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl(wrapper=True)
def register_model_families():
    families = yield
    return families
