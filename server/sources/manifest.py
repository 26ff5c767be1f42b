"""What a reference to another place comes to: the files, where they are, how large, which hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from server.safetensors_header import LONGEST
from server.source_errors import FileTooLarge, HashMismatch, SourceFailed
from server.sources.kinds import Hub, Remote

#: Paths that stay below their folder on every system, and cannot be taken for our own files.
_SAFE_SEGMENT = re.compile(r'(?![. ])[^/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]+(?<![. ])')

#: The end of the name of a file that is not complete.
PART = ".part"

#: Bytes of the longest name that leaves room for those of our own files about it.
_LONGEST_NAME = 255 - len(f".{PART}")

#: Bytes by which a size may be off that a site rounds.
ROUNDING = 1024


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files of a repository in diffusers layout are wanted.

    Attributes:
        variant: the variant to prefer where a component has it: `fp16`, say.
        without: components that are not wanted, since they come from elsewhere.
        bare: components of which only the configuration is wanted, since their weights come from
            elsewhere.
        only: the one component that is wanted, where the folder is a whole pipeline.
    """

    variant: str | None = None
    without: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    only: str | None = None

    def covers(self, other: Selection) -> bool:
        """Whether what was selected so holds all that `other` selects."""
        if self.variant != other.variant or self.only not in (None, other.only):
            return False
        if other.only is not None:
            return other.only not in self.without | self.bare
        return self.without <= other.without and self.bare <= other.bare | other.without

    def wants(self, component: str) -> bool:
        """Whether anything of a component is selected."""
        return component not in self.without and self.only in (None, component)

    def of(self, reference: Remote) -> Selection:
        """What it comes to: a place that is one file leaves nothing to select."""
        is_folder = isinstance(reference, Hub) and not reference.is_file
        return self if is_folder else PLAIN


#: Every component, of the plain variant.
PLAIN = Selection()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to download.

    Attributes:
        path: where it goes, relative, with forward slashes.
        url: where it is.
        size: bytes; None when the site does not tell.
        sha256: 64 hexadecimal digits in lower case; None when the site does not tell.
        exact: whether `size` is exact; some sites round it, by less than `ROUNDING`.
        limit: the most bytes that are taken, whatever the site tells; None: any number.
        longest_header: the most bytes that its header may have, if it is a safetensors file.
    """

    path: str
    url: str
    size: int | None = None
    sha256: str | None = None
    exact: bool = True
    limit: int | None = None
    longest_header: int = LONGEST

    def __post_init__(self) -> None:
        """
        Raises:
            SourceFailed: the path leaves its folder, or is none on every system.
        """
        if not is_safe(self.path):
            raise SourceFailed(
                f"The site names a file {self.path!r}, which cannot be stored here. Download it "
                "yourself and name the local file."
            )

    @property
    def largest(self) -> int | None:
        """The most bytes that it can have; None when nothing is known."""
        return None if self.size is None else self.size + (0 if self.exact else ROUNDING)

    def check_limit(self, size: int) -> None:
        """
        Raises:
            FileTooLarge: so many bytes are not taken.
        """
        if self.limit is not None and size > self.limit:
            raise FileTooLarge(
                f"{self.path} has {size} bytes or more, and {self.limit} are allowed. Allow more "
                "(`max_lora_bytes`), or name another file."
            )

    def check_hash(self, sha256: str) -> None:
        """
        Raises:
            HashMismatch: it is another file than the site tells.
        """
        if self.sha256 not in (None, sha256):
            raise HashMismatch(
                f"{self.path} has the SHA-256 {sha256}, not {self.sha256} as its site tells; it "
                "was removed. Try again; if it stays so, do not use this source."
            )

    def can_have(self, size: int) -> bool:
        """Whether a file of so many bytes can be this one."""
        rounding = 0 if self.exact else ROUNDING
        return self.size is None or abs(size - self.size) <= rounding


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a reference, at one moment.

    Attributes:
        reference: what was asked for.
        revision: what it came to: a commit, a version's id; a word that can name a folder.
        files: what to download; at least one.
        main: the path, among them or a folder of them, that is loaded; "" is the whole.
        selection: which of a repository's files these are.
    """

    reference: Remote
    revision: str
    files: tuple[RemoteFile, ...]
    main: str = ""
    selection: Selection = PLAIN


def is_safe(path: str) -> bool:
    """Whether a relative path stays below its folder and can be made on every system."""
    segments = path.split("/")
    named = all(_SAFE_SEGMENT.fullmatch(segment) for segment in segments)
    fits = named and all(len(segment.encode()) <= _LONGEST_NAME for segment in segments)
    return fits and not PurePosixPath(path).name.endswith(PART)
