"""Civitai: the versions of models, and their files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    Field,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)

from server.source_errors import SourceMissing, SourceRemoved
from server.sources.client import SourceClient
from server.sources.formats import WEIGHTS, refuse_pickle, suffix
from server.sources.kinds import Civitai
from server.sources.manifest import Manifest, RemoteFile, is_safe

Record = TypeVar("Record", bound=BaseModel)

log = logging.getLogger(__name__)

#: Types of the files that are the model itself, not a VAE or a text encoder beside it.
_MODELS = ("Model", "Pruned Model")

#: Modes of models whose files are not given out any more.
_PUT_AWAY = ("Archived", "TakenDown")

#: More than any disk holds.
_MOST_KB = 1e12

#: Hashes that one question may ask for.
MOST_HASHES = 100


class _Metadata(BaseModel):
    format: str | None = None
    size: str | None = None
    fp: str | None = None


class _Hashes(BaseModel):
    sha256: str | None = Field(None, alias="SHA256", pattern=r"^[0-9a-fA-F]{64}$")


class _File(BaseModel):
    id: int
    name: str
    type: str | None = None
    size_kb: float | None = Field(None, alias="sizeKB", ge=0, le=_MOST_KB, allow_inf_nan=False)
    metadata: _Metadata | None = None
    hashes: _Hashes | None = None
    download_url: str = Field(alias="downloadUrl")
    primary: bool = False

    @property
    def sha256(self) -> str | None:
        """In lower case; None where it is not told."""
        return self.hashes.sha256.lower() if self.hashes and self.hashes.sha256 else None

    def fits(self, filters: Sequence[tuple[str, str]]) -> bool:
        """Whether it is what the reference's filters ask for."""
        words = {"type": self.type, **(self.metadata.model_dump() if self.metadata else {})}
        return all((words.get(word) or "").lower() == value.lower() for word, value in filters)


class Owner(BaseModel):
    """The model that a version belongs to, in short. `mode` tells that it was put away."""

    name: str | None = None
    type: str | None = None
    mode: str | None = None


class Picture(BaseModel):
    """A picture or a film that shows what a version does."""

    url: str
    type: str | None = None


class Version(BaseModel):
    """A version of a model.

    `record` is what civitai says of it, as it says it; the other words are read from there.
    """

    id: int
    model_id: int | None = Field(None, alias="modelId")
    model: Owner = Owner()
    usage: str | None = Field(None, alias="usageControl")
    early_until: str | None = Field(None, alias="earlyAccessEndsAt")
    files: list[_File] = []
    images: list[Picture] = []
    record: dict[str, Any] = Field({}, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _keep_record(cls, told: Any) -> Any:
        return {**told, "record": told} if isinstance(told, dict) else told

    @field_validator("images", mode="before")
    @classmethod
    def _leave_out_broken(cls, told: Any) -> list[Picture]:
        """A version with a picture that cannot be had is a version."""
        return list(_sound(Picture, told))

    def has(self, sha256: str) -> bool:
        """Whether a file of it has this hash, in lower case."""
        return sha256 in (file.sha256 for file in self.files)


class _Found(RootModel[list[Any]]):
    """What a question by hash answers with: versions, and null for what nobody published."""


class Matches(NamedTuple):
    """The versions that a question by hash has found. `whole`: those that are left out have no
    such file; otherwise the answer held more, which cannot be read."""

    versions: list[Version]
    whole: bool


class _Models(BaseModel):
    items: list[dict[str, Any]]


class _VersionSummary(BaseModel):
    id: int
    status: str = "Published"


class _Model(BaseModel):
    versions: list[_VersionSummary] = Field([], alias="modelVersions")


async def list_files(reference: Civitai, client: SourceClient) -> Manifest:
    """The file to download.

    Raises:
        SourceFailed: one of its kinds.
    """
    return manifest_of(reference, await find_version(reference, client))


async def find_version(reference: Civitai, client: SourceClient) -> Version:
    """The version that a reference names, or the newest of the model that it names.

    Raises:
        SourceFailed: one of its kinds.
    """
    number = reference.version
    if number is None:
        number = await _newest(reference, client)
    url = f"{client.sites.civitai.url}/api/v1/model-versions/{number}"
    version = await client.read(url, Version)
    if reference.model is not None and version.model_id not in (None, reference.model):
        raise SourceMissing(
            f"{reference}: version {number} belongs to model {version.model_id}. Check the numbers."
        )
    return version


async def find_by_hash(hashes: Sequence[str], client: SourceClient) -> Matches:
    """The versions that have files with these SHA-256, in any order; those that nobody published
    are left out.

    Args:
        hashes: 64 hexadecimal digits each, at most `MOST_HASHES`.
        client: an open client.

    Raises:
        SourceFailed: one of its kinds.
    """
    url = f"{client.sites.civitai.url}/api/v1/model-versions/by-hash"
    found = await client.ask(url, [digest.upper() for digest in hashes], _Found)
    told = [version for version in found.root if version is not None]
    versions = list(_sound(Version, told))
    return Matches(versions, len(versions) == len(told))


async def licences_of(models: Iterable[int], client: SourceClient) -> dict[int, Mapping[str, Any]]:
    """The licence flags of models (`allowNoCredit`, `allowCommercialUse`, …), which their versions
    do not tell, by model; those that nobody published are left out.

    Args:
        models: ids, at most as many as one question may ask for (`MOST_HASHES`).
        client: an open client.

    Raises:
        SourceFailed: one of its kinds.
    """
    ids = ",".join(map(str, models))
    # Without `nsfw` some are not shown, whatever their licence.
    url = f"{client.sites.civitai.url}/api/v1/models?ids={ids}&limit={MOST_HASHES}&nsfw=true"
    found = await client.read(url, _Models)
    return {
        model["id"]: {name: value for name, value in model.items() if name.startswith("allow")}
        for model in found.items
        if isinstance(model.get("id"), int)
    }


def manifest_of(reference: Civitai, version: Version) -> Manifest:
    """The file of a version that a reference asks for.

    Raises:
        SourceMissing: there is none, or it is not for downloading.
        UnsafeFile: there are pickles only.
    """
    if version.usage not in (None, "Download"):
        raise SourceMissing(
            f"{reference}: its author allows to use it on the site only, not to download it."
        )
    if version.model.mode in _PUT_AWAY:
        raise SourceRemoved(
            f"{reference}: the site has put it away ({version.model.mode}). Name another one."
        )
    file = _choose(reference, version.files)
    # Files of one version may have the same name.
    path = f"{file.id}/{file.name}"
    if not is_safe(path):
        path = f"{file.id}/{file.id}{suffix(file.name)}"
    # sizeKB has two decimals: some bytes are lost.
    size = None if file.size_kb is None else round(file.size_kb * 1024)
    remote = RemoteFile(path, file.download_url, size, file.sha256, exact=False)
    return Manifest(reference, str(version.id), (remote,), path)


async def _newest(reference: Civitai, client: SourceClient) -> int:
    url = f"{client.sites.civitai.url}/api/v1/models/{reference.model}"
    versions = (await client.read(url, _Model)).versions  # the newest first
    published = [version.id for version in versions if version.status == "Published"]
    if not published:
        raise SourceMissing(f"{reference}: the model has no published version.")
    return published[0]


def _sound(kind: type[Record], told: Any) -> Iterator[Record]:
    """Those of a list's items that can be read."""
    for item in told if isinstance(told, list) else ():
        try:
            yield kind.model_validate(item)
        except ValidationError as error:
            name, count = kind.__name__.lower(), error.error_count()
            log.warning("civitai tells of a %s that is none (%d differences)", name, count)


def _choose(reference: Civitai, files: Sequence[_File]) -> _File:
    """The file that the reference names, else the primary one, else the first with weights."""
    fitting = [
        file for file in files if reference.file in (None, file.id) and file.fits(reference.filters)
    ]
    usable = [file for file in fitting if suffix(file.name) in WEIGHTS]
    if not usable:
        for file in fitting:
            refuse_pickle(file.name)
        have = ", ".join(f"{file.name} (+{file.id})" for file in files) or "none"
        raise SourceMissing(f"{reference}: the version has no such file of weights; it has {have}.")
    return max(usable, key=lambda file: (file.primary, file.type in _MODELS))
