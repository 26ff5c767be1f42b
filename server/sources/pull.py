"""Bring what a reference names to this machine."""

from __future__ import annotations

from pathlib import Path

from server.sources.client import SourceClient
from server.sources.download import fetch, unheard
from server.sources.kinds import Remote
from server.sources.listing import list_files
from server.sources.manifest import PLAIN, Selection
from server.sources.progress import Listener
from server.sources.store import ModelStore


async def pull(
    reference: Remote,
    store: ModelStore,
    client: SourceClient,
    *,
    selection: Selection = PLAIN,
    progress: Listener = unheard,
    parallel: int = 4,
) -> Path:
    """Download what is missing of a reference, as it is at its site now.

    Ask `store.locate` first: what is here needs no network.

    Args:
        reference: what to bring.
        store: where to.
        client: an open client.
        selection: which of a repository's files.
        progress: is told the bytes that are there and those in all (None: not known yet).
        parallel: files at a time.

    Returns:
        The file or folder to load.

    Raises:
        SourceFailed: one of its kinds.
    """
    manifest = await list_files(reference, client, selection)
    folder = store.folder(manifest)
    await fetch(manifest, folder, client, progress=progress, parallel=parallel)
    return folder / manifest.main
