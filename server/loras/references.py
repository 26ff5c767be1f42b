"""References to LoRAs: what `server.sources.references` reads, and the short forms people use.

A bare number is what civitai's pages and other tools call a LoRA by: a version's. Where there is
no such version, it is taken for a model's. `civitai:5` means the same here; as the source of a
model it is always a model's number.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TypeAlias

from server.errors import MalformedReference
from server.source_errors import SourceFailed
from server.sources.kinds import Civitai, Hub, Local, Package, Url
from server.sources.references import parse
from server.sources.sites import CIVITAI_URL
from server.wording import shown

FORMS = (
    "`urn:air:ECOSYSTEM:lora:civitai:MODEL@VERSION`, the address of a LoRA's page on civitai, "
    "`civitai:VERSION` or the bare number of a version, `org/name[:file]` of the Hugging Face hub, "
    "the https address of a .safetensors file, or (on the command line and in the configuration) "
    "a .safetensors file of this machine"
)

_NUMBER = re.compile(r"(?:civitai:)?([0-9]{1,18})", re.ASCII)
_IN_REPOSITORY = re.compile(
    r"(?:hf:)?(?P<repo>[^/@:\s]+/[^/@:\s]+)(?P<revision>@[^:]+)?:(?P<path>[^:]+)"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of civitai's: a version's, or where there is no such version, a model's."""

    number: int

    def __str__(self) -> str:
        return f"civitai:{self.number}"


RemoteLora: TypeAlias = Number | Civitai | Hub | Url
LoraReference: TypeAlias = RemoteLora | Local


def read(text: str, civitai_url: str = CIVITAI_URL) -> LoraReference:
    """Read a reference to a LoRA.

    Args:
        text: one of `FORMS`.
        civitai_url: the setting of this name; addresses there are read like civitai's own.

    Raises:
        MalformedReference: it has none of the forms, or names a pickle.
    """
    text = text.strip()
    if found := _NUMBER.fullmatch(text):
        return Number(int(found[1]))
    if found := _IN_REPOSITORY.fullmatch(text):
        text = f"hf:{found['repo']}/{found['path']}{found['revision'] or ''}"
    if text.startswith(f"{civitai_url}/"):
        text = CIVITAI_URL + text.removeprefix(civitai_url)
    try:
        reference = parse(text)
    except MalformedReference:
        raise _malformed(text) from None
    except SourceFailed as error:
        raise MalformedReference(error.message) from error
    if isinstance(reference, Package):
        raise _malformed(text)
    return reference


def read_remote(text: str, civitai_url: str = CIVITAI_URL) -> RemoteLora:
    """Read a reference that comes from another machine; see `read`.

    Raises:
        MalformedReference: it has none of the forms, names a pickle, or a file of this machine.
    """
    reference = read(text, civitai_url)
    if isinstance(reference, Local):
        raise MalformedReference(
            f"{shown(text)!r} names a file of the server's machine, which requests may not. Copy "
            "it into the folder of LoRAs, or use `darkroom loras add` there."
        )
    return reference


def canonical(reference: LoraReference) -> str:
    """The text that `read` makes the same reference of."""
    if isinstance(reference, Civitai) and reference == Civitai(reference.model):
        return f"{CIVITAI_URL}/models/{reference.model}"  # `civitai:5` would be a version's
    return str(reference)


def name_of(reference: LoraReference) -> str:
    """A text that stands for the reference and no other, and that anyone may see: without a query,
    which may be a key, and without the folders of this machine."""
    text = canonical(reference)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    match reference:
        case Local(path):
            return f"file:{path.name}#{digest}"
        case Url() if "?" in text:
            return f"{shown(text)}#{digest}"
    return text


def _malformed(text: str) -> MalformedReference:
    return MalformedReference(f"{shown(text)!r} does not say where a LoRA is. Write {FORMS}.")
