"""Takes standard input and output for the protocol alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO


def claim() -> tuple[BinaryIO, BinaryIO]:
    """Private streams for commands and messages, taken from standard input and output.

    Afterwards descriptor 0 is at its end and descriptor 1 is standard error, so that what a
    library prints, from Python or from C, is a log line and never enters the protocol.
    """
    commands, messages = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(commands, os.O_BINARY)
        msvcrt.setmode(messages, os.O_BINARY)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return os.fdopen(commands, "rb"), os.fdopen(messages, "wb")
