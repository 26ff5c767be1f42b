"""A hub, a civitai and the file host that both redirect to: real HTTP on loopback, in threads. The
file host has another name and port, and refuses requests that carry a key, as real ones do."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from server.sources.client import SourceClient
from server.sources.sites import Site, Sites
from tests.fake_civitai import CIVITAI_KEY, FakeCivitai
from tests.fake_http import (
    Exchange,
    Fault,
    Seen,
    Server,
    answer,
    begin,
    lora,
    redirect,
    sha256,
    unmeasured,
    weights,
)

__all__ = [
    "CIVITAI_KEY",
    "COMMIT",
    "HUB_KEY",
    "FakeSources",
    "Repository",
    "answer",
    "lora",
    "redirect",
    "sha256",
    "unmeasured",
    "weights",
]

HUB_KEY = "hub-key"
COMMIT = "c0ffee" + "0" * 34


@dataclass
class Repository:
    """A repository of the hub. `large` files lie on the file host."""

    files: dict[str, bytes]
    commit: str = COMMIT
    gated: bool = False
    private: bool = False
    #: What the listing says instead of the truth: path → {"size": …, "sha256": …}.
    lies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def listing(self) -> dict[str, Any]:
        return {"sha": self.commit, "siblings": [self._sibling(name) for name in self.files]}

    def _sibling(self, name: str) -> dict[str, Any]:
        told = {"size": len(self.files[name]), "sha256": sha256(self.files[name])}
        told |= self.lies.get(name, {})
        lfs = {"lfs": {**told, "pointerSize": 130}} if _is_large(name) else {}
        return {"rfilename": name, "size": told["size"], **lfs}


class FakeSources(FakeCivitai):
    """The servers; a context that starts and stops them.

    Attributes:
        repositories: the hub's, by `org/name`.
        blobs: the file host's files by name.
        faults: by path, how the next requests to it are answered instead, one after the other.
        seen: every request.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        super().__init__()
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[Seen] = []
        self._released = threading.Event()
        self._servers = [Server(self, self._answer) for _ in range(2)]
        self._servers.append(Server(self, self._answer_blob))
        hub, civitai, files = (server.server_port for server in self._servers)
        self.hub_url = f"http://127.0.0.1:{hub}"
        self.civitai_url = f"http://127.0.0.1:{civitai}"
        self.files_url = f"http://localhost:{files}"

    def __enter__(self) -> FakeSources:
        for server in self._servers:
            server.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
            server.thread.join()

    def sites(self, *, keys: bool = True, offline: bool = False) -> Sites:
        """What a client needs to know about these servers, with or without their keys."""
        return Sites(
            hub=Site(self.hub_url, "HF_TOKEN", HUB_KEY if keys else None),
            civitai=Site(
                self.civitai_url,
                "CIVITAI_API_KEY",
                CIVITAI_KEY if keys else None,
                {"Content-Type": "application/json"},
            ),
            hub_cache=Path("no-cache"),
            offline=offline,
        )

    def client(self, *, keys: bool = True, offline: bool = False) -> SourceClient:
        """A client that may use loopback and is quick to try again."""
        sites = self.sites(keys=keys, offline=offline)
        return SourceClient(sites, allow_private=True, timeout=5.0, pause=0.01)

    # --- what there is ---------------------------------------------------------------------

    def add_repository(self, name: str, files: dict[str, bytes], **words: Any) -> Repository:
        repository = Repository(files, **words)
        self.repositories[name] = repository
        for path, data in files.items():
            if _is_large(path):
                self.blobs[sha256(data)] = data
        return repository

    def requests(self, path: str) -> list[Seen]:
        """Those for a path, in order."""
        return [seen for seen in self.seen if seen.path == path]

    # --- faults ----------------------------------------------------------------------------

    def fail(self, path: str, *faults: Fault) -> None:
        """Answer the next requests for a path so."""
        self.faults.setdefault(path, []).extend(faults)

    def cut(self, data: bytes, after: int, etag: str | None = None) -> Fault:
        """Promise the whole file, hang up after some bytes of it."""

        def fault(exchange: Exchange) -> None:
            begin(exchange, data, after, etag)
            exchange.hang_up()

        return fault

    def stall(self, data: bytes, after: int, reached: threading.Event | None = None) -> Fault:
        """Send some bytes, then none until `release`, or for 20 seconds."""

        def fault(exchange: Exchange) -> None:
            begin(exchange, data, after, None)
            if reached is not None:
                reached.set()
            self._released.wait(20)
            exchange.hang_up()

        return fault

    def drip(self, data: bytes, seconds: float) -> Fault:
        """Send 20 bytes at a time, until `release` or the end."""

        def fault(exchange: Exchange) -> None:
            begin(exchange, data, 0, None)
            for place in range(0, len(data), 20):
                exchange.wfile.write(data[place : place + 20])
                exchange.wfile.flush()
                if self._released.wait(seconds):
                    break
            exchange.hang_up()

        return fault

    def release(self) -> None:
        """Hang up on those who are stalled."""
        self._released.set()

    # --- answers ---------------------------------------------------------------------------

    def _answer(self, exchange: Exchange, path: str) -> None:
        for pattern, reply in (
            (r"/api/models/([^/]+/[^/]+)/revision/(.+)", self._hub_listing),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._hub_file),
            *self.civitai_answers(),
        ):
            if found := re.fullmatch(pattern, path):
                reply(exchange, *found.groups())
                return
        page = b"<!doctype html><title>Not a file</title>"
        exchange.respond(200, page, {"Content-Type": "text/html; charset=utf-8"})

    def _hub_listing(self, exchange: Exchange, name: str, revision: str) -> None:
        repository = self._readable(exchange, name)
        if repository is None:
            exchange.json(401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif revision not in ("main", "v1", repository.commit):
            exchange.json(404, {"error": "No such revision"}, X_Error_Code="RevisionNotFound")
        else:
            exchange.json(200, repository.listing())

    def _hub_file(self, exchange: Exchange, name: str, commit: str, path: str) -> None:
        repository = self._readable(exchange, name)
        if repository is None or path not in repository.files:
            exchange.json(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
        elif repository.gated and exchange.key != HUB_KEY:
            status = 403 if exchange.key else 401
            exchange.json(status, {"error": "gated"}, X_Error_Code="GatedRepo")
        elif _is_large(path):
            exchange.redirect(f"{self.files_url}/blobs/{sha256(repository.files[path])}?signed=yes")
        else:
            exchange.file(repository.files[path], X_Repo_Commit=commit)

    def _readable(self, exchange: Exchange, name: str) -> Repository | None:
        repository = self.repositories.get(name)
        hidden = repository is not None and repository.private and exchange.key != HUB_KEY
        return None if hidden else repository

    def _answer_blob(self, exchange: Exchange, path: str) -> None:
        data = self.blobs.get(path.removeprefix("/blobs/"))
        if exchange.headers.get("Authorization"):
            exchange.json(400, {"error": "Only one auth mechanism allowed"})
        elif data is None:
            exchange.json(404, {"error": "NoSuchKey"})
        else:
            exchange.file(data)


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".gguf"))
