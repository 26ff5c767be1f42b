"""Writes a hook as an async function."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
async def image_added(image):
    """Would never be awaited."""
