"""Civitai: the file of a model's version."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from server.source_errors import SourceMissing
from server.sources.client import SourceClient
from server.sources.formats import WEIGHTS, refuse_pickle, suffix
from server.sources.kinds import Civitai
from server.sources.manifest import Manifest, RemoteFile, is_safe

#: Types of the files that are the model itself, not a VAE or a text encoder beside it.
_MODELS = ("Model", "Pruned Model")


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
    size_kb: float | None = Field(None, alias="sizeKB")
    metadata: _Metadata | None = None
    hashes: _Hashes | None = None
    download_url: str = Field(alias="downloadUrl")
    primary: bool = False

    def fits(self, filters: Sequence[tuple[str, str]]) -> bool:
        """Whether it is what the reference's filters ask for."""
        words = {"type": self.type, **(self.metadata.model_dump() if self.metadata else {})}
        return all((words.get(word) or "").lower() == value.lower() for word, value in filters)


class _Version(BaseModel):
    id: int
    model_id: int | None = Field(None, alias="modelId")
    usage: str | None = Field(None, alias="usageControl")
    files: list[_File] = []


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
    number = reference.version
    if number is None:
        number = await _newest(reference, client)
    url = f"{client.sites.civitai.url}/api/v1/model-versions/{number}"
    version = await client.read(url, _Version)
    if reference.model is not None and version.model_id not in (None, reference.model):
        raise SourceMissing(
            f"{reference}: version {number} belongs to model {version.model_id}. Check the numbers."
        )
    if version.usage not in (None, "Download"):
        raise SourceMissing(
            f"{reference}: its author allows to use it on the site only, not to download it."
        )
    file = _choose(reference, version.files)
    # Files of one version may have the same name.
    path = f"{file.id}/{file.name}"
    if not is_safe(path):
        path = f"{file.id}/{file.id}{suffix(file.name)}"
    sha256 = file.hashes.sha256.lower() if file.hashes and file.hashes.sha256 else None
    # sizeKB has two decimals: some bytes are lost.
    size = None if file.size_kb is None else round(file.size_kb * 1024)
    remote = RemoteFile(path, file.download_url, size, sha256, exact=False)
    return Manifest(reference, str(number), (remote,), path)


async def _newest(reference: Civitai, client: SourceClient) -> int:
    url = f"{client.sites.civitai.url}/api/v1/models/{reference.model}"
    versions = (await client.read(url, _Model)).versions  # the newest first
    published = [version.id for version in versions if version.status == "Published"]
    if not published:
        raise SourceMissing(f"{reference}: the model has no published version.")
    return published[0]


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
