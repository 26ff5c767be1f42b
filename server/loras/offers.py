"""What a reference to a LoRA comes to at its site, at one moment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from server.loras.examination import LONGEST_HEADER
from server.loras.references import Number, RemoteLora
from server.source_errors import (
    EarlyAccess,
    NotALora,
    SourceAmbiguous,
    SourceMissing,
    SourceRemoved,
    SourceUnauthorized,
)
from server.sources import civitai, hub, listing
from server.sources.civitai import Version
from server.sources.client import SourceClient
from server.sources.formats import refuse_pickle, suffix
from server.sources.kinds import Civitai, Hub
from server.sources.manifest import Manifest, RemoteFile
from server.wording import shown

#: Civitai's types of what this server calls a LoRA.
LORA_TYPES = frozenset({"LORA", "LoCon", "DoRA"})

#: Files that a message names.
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that can be downloaded.

    Attributes:
        manifest: with this one file.
        version: what civitai says of it; None when it comes from elsewhere.
        note: how the reference was understood, a sentence; None when that is plain.
    """

    manifest: Manifest
    version: Version | None = None
    note: str | None = None

    @property
    def file(self) -> RemoteFile:
        """The file."""
        return self.manifest.files[0]

    @property
    def name(self) -> str:
        """What its site calls the file."""
        files = () if self.version is None else self.version.files
        named = (file.name for file in files if file.download_url == self.file.url)
        return next(named, PurePosixPath(self.manifest.main).name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be said about it."""
        return () if self.note is None else (self.note,)

    @property
    def folder_name(self) -> str:
        """A name for the folder that it is downloaded into: each offer has its own."""
        place = f"{self.file.url} {self.manifest.revision}"
        return hashlib.sha256(place.encode()).hexdigest()[:16]

    def explain(self, error: SourceUnauthorized) -> SourceUnauthorized | EarlyAccess:
        """The error for a refusal of the file. Civitai does not say it to everyone when a version
        is in early access, but its record does."""
        until = None if self.version is None else _moment(self.version.early_until)
        if self.version is None or until is None or until < datetime.now(UTC):
            return error
        return EarlyAccess(
            f"Version {self.version.id} is in early access until {until:%Y-%m-%d}: buy it on its "
            "page with the account of CIVITAI_API_KEY, wait, or name an older version."
        )


async def find_offer(reference: RemoteLora, client: SourceClient, limit: int) -> Offer:
    """Ask the site what a reference comes to.

    Args:
        reference: what to look for.
        client: an open client.
        limit: the most bytes that the file may have.

    Raises:
        SourceFailed: one of its kinds.
    """
    match reference:
        case Number(number):
            offer = await _numbered(number, client)
        case Civitai():
            offer = _of_version(reference, await civitai.find_version(reference, client))
        case Hub():
            chosen = await _choose(reference, client)
            offer = Offer(await listing.list_files(chosen, client))
        case _:
            offer = Offer(await listing.list_files(reference, client))
    file = replace(offer.file, limit=limit, longest_header=LONGEST_HEADER)
    if suffix(file.path) != ".safetensors":
        raise NotALora(f"{file.path} is no .safetensors file, which every LoRA is. Name another.")
    file.check_limit(file.size or 0)
    return replace(offer, manifest=replace(offer.manifest, files=(file,)))


async def _numbered(number: int, client: SourceClient) -> Offer:
    """A version's offer, or where there is no such version, that of a model."""
    reference = Civitai(version=number)
    try:
        version = await civitai.find_version(reference, client)
    except SourceRemoved:
        raise
    except SourceMissing:
        version = await _newest_of(number, client)
        note = (
            f"Civitai has no version {number}: it was taken for model {number}, whose newest "
            f"version is {version.id}."
        )
        return replace(_of_version(Civitai(number, version.id), version), note=note)
    return _of_version(reference, version)


async def _newest_of(model: int, client: SourceClient) -> Version:
    try:
        return await civitai.find_version(Civitai(model), client)
    except SourceRemoved:
        raise
    except SourceMissing as error:
        raise SourceMissing(
            f"Civitai has neither a version nor a model {model}. Check the number: a page's "
            "address has the model's behind `/models/` and the version's as `modelVersionId`."
        ) from error


def _of_version(reference: Civitai, version: Version) -> Offer:
    kind = version.model.type
    if kind is not None and kind not in LORA_TYPES:
        raise NotALora(
            f"{version.model.name or reference} is a {kind} on civitai, not a LoRA. Name a LoRA's "
            "page or version."
        )
    return Offer(civitai.manifest_of(reference, version), version)


async def _choose(reference: Hub, client: SourceClient) -> Hub:
    """The reference to the one file that a repository's can mean."""
    if reference.is_file:
        return reference
    refuse_pickle(reference.path)
    names = await hub.names_in(reference, client)
    found = [name for name in names if suffix(name) == ".safetensors"]
    if len(found) > 1:
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise SourceAmbiguous(
            f"{reference.repo} has several files: {', '.join(found[:_MOST_NAMED])}{more}. Name "
            f"one: {reference.repo}:{found[0]}, say."
        )
    if not found:
        for name in names:
            refuse_pickle(name)
        raise SourceMissing(f"{shown(str(reference))} has no .safetensors file.")
    return replace(reference, path=found[0])


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
