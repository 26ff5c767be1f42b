"""Which files are weights, and which are never touched."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from server import safetensors_header
from server.safetensors_header import LONGEST
from server.source_errors import NotAWeightsFile, UnsafeFile

#: Single files that hold a whole model or one part of it.
WEIGHTS = frozenset({".safetensors", ".gguf"})

#: Names of pickles: loading one runs whatever code its author put in.
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})

#: Bytes of a file's beginning that tell whether it is what its name says.
HEAD = 9


def suffix(name: str) -> str:
    """The end of a file's name, in lower case: `.safetensors`, say."""
    return PurePosixPath(name).suffix.lower()


def refuse_pickle(name: str) -> None:
    """Refuse a file that its name tells to be a pickle.

    Raises:
        UnsafeFile: it is one.
    """
    if suffix(name) in PICKLES:
        raise UnsafeFile(
            f"{name} is a pickle, which can run any code when it is loaded, and is never used. "
            "Name a .safetensors file; most models have one beside it."
        )


def check_beginning(name: str, head: bytes, longest: int = LONGEST) -> None:
    """Look whether a file begins as its name says.

    Args:
        name: the file's name; of other than weights nothing is expected.
        head: at least its first `HEAD` bytes, if it has so many.
        longest: bytes that a safetensors header may have.

    Raises:
        NotAWeightsFile: it does not.
    """
    kind = suffix(name)
    if kind == ".gguf" and not head.startswith(b"GGUF"):
        raise NotAWeightsFile(f"{name} does not begin like a GGUF file. Check the address.")
    if kind == ".safetensors" and not safetensors_header.begins_well(head):
        raise NotAWeightsFile(
            f"{name} does not begin like a safetensors file: it may be a web page, an error "
            "message or a renamed pickle. Open the address in a browser to see what it is."
        )
    length = safetensors_header.told_length(head)
    if kind == ".safetensors" and length > longest:
        raise NotAWeightsFile(
            f"{name} tells of a header of {length} bytes, and at most {longest} are read: such a "
            "file is damaged, or no file of this kind. Name another."
        )


def told_size(path: Path, name: str, longest: int = LONGEST) -> int | None:
    """The bytes that a file of weights has as its own header tells. Blocks.

    Args:
        path: the file, begun as `check_beginning` wants it.
        name: its name; of other than safetensors nothing is told: None.
        longest: bytes that its header may have.

    Raises:
        NotAWeightsFile: its header cannot be read.
    """
    if suffix(name) != ".safetensors":
        return None
    try:
        return safetensors_header.told_size(path, longest)
    except ValueError as error:
        raise NotAWeightsFile(
            f"{name} has no header of a safetensors file, or only the beginning of one. Try again; "
            "if it stays so, check the address."
        ) from error
