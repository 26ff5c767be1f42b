"""What images say about themselves: infotexts in PNG text, and in the EXIF comment of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.dialects.automatic1111.given import opened
from server.dialects.automatic1111.protocol import PngInfo
from server.lora_infotext import RESOURCES
from server.pnginfo import INFOTEXT_KEYWORD, split_infotext

#: EXIF's own directory, and the comment in it, which begins with its encoding in eight bytes.
_EXIF, _COMMENT = 0x8769, 0x9286
_ENCODINGS: Mapping[bytes, str] = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii"}


def read(image: str) -> PngInfo:
    """What an image in base64 says about itself. Blocks.

    Raises:
        InvalidParameters: it is no PNG, JPEG or WebP.
    """
    with opened(image, "image") as file:
        texts = {str(name): text for name, text in file.info.items() if isinstance(text, str)}
        comment = _comment(file.getexif().get_ifd(_EXIF).get(_COMMENT))
    infotext = texts.pop(INFOTEXT_KEYWORD, comment)
    return PngInfo(info=infotext, items=texts, parameters=parts(infotext))


def parts(infotext: str) -> dict[str, str]:
    """An infotext's parts by their names; the size in two, as the web UI has it."""
    if not infotext:
        return {}
    read = split_infotext(infotext)
    found = {"Prompt": read.prompt, "Negative prompt": read.negative_prompt, **read.settings}
    width, cross, height = found.get("Size", "").partition("x")
    if cross:
        del found["Size"]
        found |= {"Size-1": width, "Size-2": height}
    return found | ({RESOURCES: read.resources} if read.resources else {})


def _comment(value: Any) -> str:
    if not isinstance(value, bytes):
        return ""
    encoding = _ENCODINGS.get(value[:8])
    return "" if encoding is None else value[8:].decode(encoding, "replace")
