"""The kinds of source references: frozen values whose `str` is their canonical text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode

from server.sources.formats import WEIGHTS, suffix

PACKAGE = "package:"
HUB = "hf:"
CIVITAI = "civitai:"

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_SEGMENT = r"[^/@?#:\\\s][^/@?#:\\\x00-\x1f\x7f]*"
_REVISION = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_PACKAGE_FORM = re.compile(rf"(\w+(?:\.\w+)*)((?:/{_SEGMENT})*)")
_HUB_FORM = re.compile(rf"({_NAME}/{_NAME})((?:/{_SEGMENT})*)(?:@({_REVISION}))?")
_CIVITAI_FORM = re.compile(
    r"(\d{1,18})?(?:@(\d{1,18}))?(?:\+(\d{1,18}))?(?:\?([\w=&%.+-]+))?", re.ASCII
)

#: The words that choose among the files of a civitai version, in canonical order.
FILTERS = ("type", "format", "size", "fp")


@dataclass(frozen=True, slots=True)
class Package:
    """A folder inside an installed Python package."""

    name: str
    subfolder: str = ""

    def __str__(self) -> str:
        return f"{PACKAGE}{self.name}" + (f"/{self.subfolder}" if self.subfolder else "")

    @classmethod
    def read(cls, text: str) -> Package | None:
        """`NAME[/FOLDER]`, or None."""
        found = _PACKAGE_FORM.fullmatch(text)
        if found is None or _climbs(text):
            return None
        return cls(found[1], found[2].removeprefix("/"))


@dataclass(frozen=True, slots=True)
class Local:
    """A folder or file of this machine, by its absolute path."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository of the Hugging Face hub, or with `path` one file or folder in it.

    `revision` is a branch, tag or commit; None is the branch `main`.
    """

    repo: str
    path: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        path = f"/{self.path}" if self.path else ""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{HUB}{self.repo}{path}{revision}"

    @classmethod
    def read(cls, text: str) -> Hub | None:
        """`ORG/NAME[/PATH][@REVISION]`, or None."""
        found = _HUB_FORM.fullmatch(text)
        if found is None or _climbs(text):
            return None
        revision = None if found[3] == "main" else found[3]
        return cls(found[1], found[2].removeprefix("/"), revision)

    @property
    def is_file(self) -> bool:
        """Whether it is one file of weights rather than a folder."""
        return suffix(self.path) in WEIGHTS


@dataclass(frozen=True, slots=True)
class Civitai:
    """A version of a model on civitai; without `version`, the newest of `model`.

    `file` is the id of one of the version's files, and `filters` (pairs of a word of `FILTERS`
    and its value) choose among them; without either it is the primary file.
    """

    model: int | None = None
    version: int | None = None
    file: int | None = None
    filters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        model = "" if self.model is None else self.model
        version = "" if self.version is None else f"@{self.version}"
        file = "" if self.file is None else f"+{self.file}"
        query = f"?{urlencode(self.filters)}" if self.filters else ""
        return f"{CIVITAI}{model}{version}{file}{query}"

    @classmethod
    def read(cls, text: str) -> Civitai | None:
        """`MODEL[@VERSION]` or `@VERSION`, then `[+FILE][?FILTER=VALUE&…]`, or None."""
        found = _CIVITAI_FORM.fullmatch(text)
        if found is None or (found[1] is None and found[2] is None):
            return None
        model, version, file = (int(part) if part else None for part in found.groups()[:3])
        return cls(model, version, file, choices(parse_qsl(found[4] or "")))


@dataclass(frozen=True, slots=True)
class Url:
    """The address of a file."""

    url: str

    def __str__(self) -> str:
        return self.url


Remote: TypeAlias = Hub | Civitai | Url
Reference: TypeAlias = Package | Local | Remote


def choices(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The pairs that choose a file, in canonical order; a `token` and the like are dropped."""
    given = dict(pairs)
    return tuple((word, given[word]) for word in FILTERS if given.get(word))


def _climbs(text: str) -> bool:
    """Whether a path or revision in it has a segment that means another folder."""
    return any(part in {".", ".."} for part in re.split("[/@]", text))
