"""Pictures in the format that photographs have: what Black Forest Labs' clients expect."""

from __future__ import annotations

from pathlib import Path

from server.http.image_formats import converted

#: Like that of the originals' images.
QUALITY = 95


def jpeg(path: Path) -> bytes:
    """The image of a PNG file as JPEG; of one file always the same bytes. Blocks."""
    return converted(path, "jpeg", QUALITY)
