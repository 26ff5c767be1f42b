"""Which files are weights, and which are never touched."""

from __future__ import annotations

from pathlib import PurePosixPath

from server.source_errors import NotAWeightsFile, UnsafeFile

#: Single files that hold a whole model or one part of it.
WEIGHTS = frozenset({".safetensors", ".gguf"})

#: Names of pickles: loading one runs whatever code its author put in.
PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"})

#: Bytes of a file's beginning that tell whether it is what its name says.
HEAD = 9

#: safetensors' own limit for its header, in bytes.
_LARGEST_HEADER = 100_000_000


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


def check_beginning(name: str, head: bytes) -> None:
    """Look whether a file begins as its name says.

    Args:
        name: the file's name; of other than weights nothing is expected.
        head: at least its first `HEAD` bytes, if it has so many.

    Raises:
        NotAWeightsFile: it does not.
    """
    kind = suffix(name)
    if kind == ".gguf" and not head.startswith(b"GGUF"):
        raise NotAWeightsFile(f"{name} does not begin like a GGUF file. Check the address.")
    if kind == ".safetensors" and not _is_safetensors(head):
        raise NotAWeightsFile(
            f"{name} does not begin like a safetensors file: it may be a web page, an error "
            "message or a renamed pickle. Open the address in a browser to see what it is."
        )


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return len(head) >= HEAD and head[8:9] == b"{" and 2 <= length <= _LARGEST_HEADER
