"""Downloads: several files at a time, resumable, checked, and complete or not there at all."""

from __future__ import annotations

import asyncio
import errno
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import httpx
from filelock import AsyncFileLock

from server.source_errors import DiskFull, NotAWeightsFile, SourceFailed, SourceUnreachable
from server.sources.client import Passing, SourceClient
from server.sources.formats import HEAD, check_beginning, refuse_pickle
from server.sources.listing import total_size
from server.sources.manifest import Manifest, RemoteFile
from server.sources.marker import Marker
from server.sources.part import Part, wrong_size
from server.sources.progress import Listener, Pace, Tally

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes that are written at a time.
CHUNK = 256 * 1024

LOCK = ".darkroom.lock"


def unheard(there: int, total: int | None) -> None:
    """A listener that does not listen."""


async def fetch(
    manifest: Manifest,
    folder: Path,
    client: SourceClient,
    *,
    progress: Listener = unheard,
    parallel: int = 4,
) -> None:
    """Bring all files of a manifest into a folder and mark it complete.

    Files that are there stay; parts of files are taken up where they ended, after a cancellation
    or a crash too. Another process that fetches into the same folder is waited for.

    Args:
        manifest: what to download.
        folder: where to; it is made.
        client: an open client.
        progress: is told the bytes that are there and those in all.
        parallel: files at a time.

    Raises:
        SourceFailed: one of its kinds; what was downloaded is kept when it is of use.
    """
    for file in manifest.files:
        refuse_pickle(file.path)
        file.check_limit(file.size or 0)
    with writing(folder):
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        async with AsyncFileLock(folder / LOCK):
            tally = Tally(manifest.files, progress)
            downloads = [_Download(file, folder, client, tally) for file in manifest.files]
            await asyncio.to_thread(_look, downloads, folder)
            await _all(downloads, parallel)
            await asyncio.to_thread(_mark, manifest, folder)


def check_space(folder: Path, needed: int) -> None:
    """Look whether so many bytes fit.

    Raises:
        DiskFull: they do not.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"{folder} has {_gigabytes(free)} free and {_gigabytes(needed)} are needed. Free "
            "space, or choose a folder on a larger disk (`model_folder`, `data`).",
            needed=needed,
            free=free,
        )


def _look(downloads: Sequence[_Download], folder: Path) -> None:
    """See what is there, and whether the rest fits."""
    check_space(folder, sum(download.look() for download in downloads))


def _mark(manifest: Manifest, folder: Path) -> None:
    Marker.of(manifest, folder).write(folder)


async def _all(downloads: Sequence[_Download], parallel: int) -> None:
    """Run the downloads; the first failure ends the others, which stay resumable."""
    gate = asyncio.Semaphore(parallel)
    for download in downloads:
        download.tell()

    async def one(download: _Download) -> None:
        async with gate:
            await download.run()

    try:
        async with asyncio.TaskGroup() as group:
            for download in downloads:
                group.create_task(one(download))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


class _Download:
    """The way of one file onto the disk."""

    def __init__(self, file: RemoteFile, folder: Path, client: SourceClient, tally: Tally) -> None:
        self._file = file
        self._folder = folder
        self._client = client
        self._tally = tally
        self._part = Part(folder / file.path, file)
        self._pace = Pace()
        self._complete: int | None = None
        self._begun = 0

    def look(self) -> int:
        """See what is there; the bytes still to download, 0 when the size is not known. Blocks."""
        self._complete = self._complete_size()
        self._begun = self._part.on_disk
        return 0 if self._complete is not None else max(0, (self._file.size or 0) - self._begun)

    def tell(self) -> None:
        """Tell the listener what was there."""
        there = self._begun if self._complete is None else self._complete
        self._tally.update(self._file.path, there, self._complete)

    async def run(self) -> None:
        if self._complete is not None:
            return
        try:
            while await in_thread(self._part.catch_up):
                pass
            if not self._is_long_enough():
                await self._client.patiently(self._attempt, lambda: self._part.size)
            await in_thread(self._part.complete)
        finally:
            self._part.close()

    def _complete_size(self) -> int | None:
        """The size of the file when an earlier download completed it."""
        path = self._part.target
        size = path.stat().st_size if path.is_file() else None
        return size if size is not None and self._file.can_have(size) else None

    def _is_long_enough(self) -> bool:
        """Whether every byte is there: the process ended before it could say so."""
        return self._file.exact and 0 < self._part.size == self._file.size

    async def _attempt(self) -> None:
        part = self._part
        async with self._client.get(self._file.url, self._range()) as response:
            total = total_size(response)
            await self._check_size(total)
            if response.status_code == 416:
                await self._settle_range(total)
                return
            if response.status_code == 200 or part.size == 0:
                await in_thread(part.restart, _validator(response))
            else:
                _check_range(response, part.size)
            await in_thread(check_space, self._folder, max(0, (total or 0) - part.size))
            async with aclosing(_chunks(response, self._pace)) as chunks:
                async for chunk in chunks:
                    await self._take(chunk, total)
        if part.size < (total or 0):
            raise Passing(f"{self._file.path} ended after {part.size} of {total} bytes")

    async def _take(self, chunk: bytes, total: int | None) -> None:
        if self._part.size == 0:
            await self._check_beginning(chunk)
        await in_thread(self._part.write, chunk)
        self._tally.update(self._file.path, self._part.size, total)

    def _range(self) -> dict[str, str]:
        if not self._part.size:
            return {}
        validator = self._part.validator
        condition = {"If-Range": validator} if validator else {}
        return {"Range": f"bytes={self._part.size}-", **condition}

    async def _settle_range(self, total: int | None) -> None:
        """Nothing comes after our part: either it is the whole file, or it is of another."""
        if total != self._part.size:
            await in_thread(self._part.discard)
            raise Passing(f"{self._file.path} has changed", wait=0.0)

    async def _check_size(self, total: int | None) -> None:
        self._file.check_limit(total or 0)
        if total is not None and not self._file.can_have(total):
            await in_thread(self._part.discard)
            raise wrong_size(self._file, total)

    async def _check_beginning(self, chunk: bytes) -> None:
        try:
            check_beginning(self._file.path, chunk, self._file.longest_header)
        except NotAWeightsFile:
            await in_thread(self._part.discard)
            raise


async def _chunks(response: httpx.Response, pace: Pace) -> AsyncGenerator[bytes, None]:
    """A body in pieces worth writing, as long as it comes fast enough; what came before a
    connection broke is among them.

    Raises:
        SourceUnreachable: next to nothing comes.
    """
    kept = bytearray()
    try:
        with pace.running(response.url.host):
            async for piece in response.aiter_raw():
                pace.note(len(piece))
                kept += piece
                while len(kept) >= CHUNK:
                    yield bytes(kept[:CHUNK])
                    del kept[:CHUNK]
    except (httpx.TransportError, SourceUnreachable):
        if len(kept) >= HEAD:
            yield bytes(kept)
        raise
    if kept:
        yield bytes(kept)


def _check_range(response: httpx.Response, size: int) -> None:
    """See that a partial answer begins where the part ends."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != size:
        raise Passing(f"{response.url.path} answered with another range than was asked for")


def _validator(response: httpx.Response) -> str | None:
    """What can be sent as If-Range: a strong ETag, else a date."""
    etag = str(response.headers.get("ETag", ""))
    date = str(response.headers.get("Last-Modified", ""))
    return (etag if etag.startswith('"') else date) or None


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call in a thread; a cancellation waits for its end, so that nobody closes its file."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the disk refuses in a folder, as typed errors.

    Raises:
        DiskFull, SourceFailed
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"The disk of {folder} is full. Free space, or choose a folder on a larger disk "
                "(`model_folder`, `data`), and try again: what was downloaded is kept."
            ) from error
        raise SourceFailed(
            f"{error.filename or folder} cannot be read or written: {error.strerror or error}. "
            "Mend its permissions, or choose another folder (`model_folder`, `data`)."
        ) from error


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
