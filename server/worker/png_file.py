"""Writes PNG files several times faster than Pillow, at the same size.

Every row is filtered alike, which numpy does at once, and ISA-L compresses. Both let go of the
interpreter lock, so the generation thread goes on meanwhile.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from isal import isal_zlib
from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: PNG's number of each of Pillow's modes that is written as it is.
COLOUR_TYPES = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}

#: PNG's number of the filter that predicts a byte from the mean of its left and its upper one.
#: Of the filters it costs photographs the fewest bytes, apart from Paeth, which takes numpy four
#: times as long; choosing one for each row gains two percent and takes twice as long.
AVERAGE = 3

#: ISA-L's 0 costs photographs a third more bytes, 2 gains nothing.
LEVEL = 1

Bytes = npt.NDArray[np.uint8]


def write(image: Image, texts: PngInfo) -> bytes:
    """A PNG file of 8 bits a channel.

    Args:
        image: any; one that is neither grey nor RGB, with or without alpha, is converted.
        texts: what stands before the pixels.
    """
    if image.mode not in COLOUR_TYPES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    depth, unused = 8, (0, 0, 0)  # compression and filters have one method each; no interlacing
    header = struct.pack(">2I5B", *image.size, depth, COLOUR_TYPES[image.mode], *unused)
    pixels = isal_zlib.compress(_filtered(np.atleast_3d(np.asarray(image))), LEVEL)
    ancillary = [_chunk(kind, data) for kind, data, *_ in texts.chunks]
    parts = [_chunk(b"IHDR", header), *ancillary, _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(parts)


def _filtered(pixels: Bytes) -> Bytes:
    """The scanlines of `pixels` (height, width, channels), each with its filter's number first."""
    height, width, channels = pixels.shape
    size = width * channels
    padded = np.zeros((1 + height, channels + size), np.uint8)  # beyond the edge all is zero
    rows, left, above = padded[1:, channels:], padded[1:, :size], padded[:height, channels:]
    rows[:] = pixels.reshape(height, size)
    # The mean of two bytes, rounded down, without a type that holds their sum.
    mean: Bytes = np.bitwise_xor(left, above)
    mean >>= 1
    mean += left & above
    lines = np.empty((height, 1 + size), np.uint8)
    lines[:, 0] = AVERAGE
    np.subtract(rows, mean, out=lines[:, 1:])
    return lines


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
