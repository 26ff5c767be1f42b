"""The Hugging Face hub: the files of a repository, one of its folders, or one of its files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field, RootModel

from server.source_errors import SourceMissing, UnsafeFile
from server.sources.client import SourceClient
from server.sources.formats import WEIGHTS, suffix
from server.sources.kinds import Hub
from server.sources.layout import INDEX, Chosen, below, choose
from server.sources.manifest import Manifest, RemoteFile, Selection


class _Lfs(BaseModel):
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")


class _Sibling(BaseModel):
    rfilename: str
    size: int | None = None
    lfs: _Lfs | None = None


class _Repository(BaseModel):
    sha: str = Field(pattern=r"^[0-9a-zA-Z]{1,64}$")
    siblings: list[_Sibling]


async def list_files(reference: Hub, client: SourceClient, selection: Selection) -> Manifest:
    """The files to download.

    Raises:
        SourceFailed: one of its kinds.
    """
    repository = await _repository(reference, client)
    files = {sibling.rfilename: sibling for sibling in repository.siblings}
    resolve = f"{client.sites.hub.url}/{reference.repo}/resolve/{repository.sha}"
    chosen = await _choose(reference, list(files), client, resolve, selection)
    return Manifest(
        reference,
        repository.sha,
        tuple(_file(files[name], f"{resolve}/{quote(name)}") for name in chosen.files),
        chosen.main,
        selection,
    )


async def names_in(reference: Hub, client: SourceClient) -> list[str]:
    """The paths of all files of a repository, or of a folder in it.

    Raises:
        SourceFailed: one of its kinds.
    """
    repository = await _repository(reference, client)
    prefix = f"{reference.path}/" if reference.path else ""
    names = [sibling.rfilename for sibling in repository.siblings]
    return [name for name in names if name.startswith(prefix)]


async def _repository(reference: Hub, client: SourceClient) -> _Repository:
    revision = quote(reference.revision or "main", safe="")
    address = f"{client.sites.hub.url}/api/models/{reference.repo}/revision/{revision}"
    return await client.read(f"{address}?blobs=true", _Repository)


def _file(sibling: _Sibling, url: str) -> RemoteFile:
    sha256 = sibling.lfs.sha256.lower() if sibling.lfs else None
    return RemoteFile(sibling.rfilename, url, sibling.size, sha256)


async def _choose(
    reference: Hub, names: Sequence[str], client: SourceClient, resolve: str, selection: Selection
) -> Chosen:
    """The paths in the repository to download, and the one to load."""
    if reference.is_file:
        return _one_file(reference, names)
    inside = below(names, reference.path)
    prefix = f"{reference.path}/" if reference.path else ""
    index = None
    if INDEX in inside:
        url = f"{resolve}/{quote(prefix + INDEX)}"
        index = (await client.read(url, RootModel[dict[str, Any]])).root
    try:
        chosen = choose(inside, index, selection)
    except (SourceMissing, UnsafeFile) as error:
        raise type(error)(f"{reference}: {error.message}") from error
    files = tuple(prefix + name for name in chosen.files)
    return Chosen(files, prefix + chosen.main if chosen.main else reference.path)


def _one_file(reference: Hub, names: Sequence[str]) -> Chosen:
    if reference.path not in names:
        weights = [name for name in names if suffix(name) in WEIGHTS]
        near = difflib.get_close_matches(reference.path, weights, n=3, cutoff=0.3)
        hint = f" It has {', '.join(near)}." if near else ""
        raise SourceMissing(f"{reference.repo} has no file {reference.path}.{hint}")
    return Chosen((reference.path,), reference.path)
