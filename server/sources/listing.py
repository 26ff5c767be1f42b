"""From a reference to another place to the list of its files."""

from __future__ import annotations

import hashlib
import re
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from server.source_errors import NotAWeightsFile
from server.sources import civitai, hub
from server.sources.client import SourceClient
from server.sources.formats import WEIGHTS, refuse_pickle, suffix
from server.sources.kinds import Civitai, Hub, Remote, Url
from server.sources.manifest import PLAIN, Manifest, RemoteFile, Selection
from server.wording import shown


async def list_files(
    reference: Remote, client: SourceClient, selection: Selection = PLAIN
) -> Manifest:
    """Ask the site what there is to download.

    Args:
        reference: the place.
        client: an open client.
        selection: which of a repository's files.

    Raises:
        SourceFailed: one of its kinds.
    """
    if isinstance(reference, Hub):
        return await hub.list_files(reference, client, selection.of(reference))
    if isinstance(reference, Civitai):
        return await civitai.list_files(reference, client)
    return await client.patiently(lambda: _of_address(reference, client))


def revision_of(reference: Url) -> str:
    """The name that stands for an address, which has no revisions, among folders."""
    return hashlib.sha256(reference.url.encode()).hexdigest()[:16]


async def _of_address(reference: Url, client: SourceClient) -> Manifest:
    async with client.get(reference.url, {"Range": "bytes=0-0"}) as response:
        name = file_name(response)
        size = total_size(response)
    refuse_pickle(name)
    if suffix(name) not in WEIGHTS:
        raise NotAWeightsFile(
            f"{shown(reference.url)} gives {name!r}, which is neither .safetensors nor "
            ".gguf. Name the address of the file itself."
        )
    file = RemoteFile(name, reference.url, size)
    return Manifest(reference, revision_of(reference), (file,), name)


def file_name(response: httpx.Response) -> str:
    """What the answer calls the file, else the last part of its address."""
    message = Message()
    message["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    named = message.get_filename() or unquote(response.url.path)
    return PurePosixPath(named.replace("\\", "/")).name


def total_size(response: httpx.Response) -> int | None:
    """Bytes of the whole file of which the answer is (a part of) the body; None: it is not told."""
    if response.status_code != 200:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = response.headers.get("Content-Length", "")
    return int(total) if re.fullmatch("[0-9]{1,18}", total) else None
