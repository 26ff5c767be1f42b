"""A hub, a civitai and the file host that both redirect to: real HTTP on loopback, in threads. The
file host has another name and port, and refuses requests that carry a key, as real ones do."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from server.sources.client import SourceClient
from server.sources.sites import Site, Sites

HUB_KEY = "hub-key"
CIVITAI_KEY = "civitai-key"
COMMIT = "c0ffee" + "0" * 34

#: How a request is answered instead of as it should be; called once with the request.
Fault = Callable[["Exchange"], None]


def weights(size: int = 1000, fill: int = 7) -> bytes:
    """A safetensors file with one tensor of `size` bytes."""
    tensor = {"x": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    header = json.dumps(tensor).encode()
    pattern = bytes((fill + 31 * place) % 251 for place in range(251))
    body = (pattern * (size // len(pattern) + 1))[:size]
    return len(header).to_bytes(8, "little") + header + body


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    host: str
    path: str
    headers: Mapping[str, str]


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        path = unquote(urlsplit(self.path).path)
        seen = Seen(self.headers["Host"], path, dict(self.headers))
        server.sources.seen.append(seen)
        faults = server.sources.faults.get(path)
        if faults:
            faults.pop(0)(self)
        else:
            server.answer(self, path)

    def json(self, status: int, value: Any, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.respond(status, body, {"Content-Type": "application/json", **headers})

    def redirect(self, location: str, status: int = 302) -> None:
        self.respond(status, b"", {"Location": location})

    def respond(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def file(self, data: bytes, etag: str | None = None, **headers: str) -> None:
        """A file, or the part that Range asks for while If-Range holds."""
        etag = etag or f'"{sha256(data)}"'
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag) != etag:
            self.respond(200, data, {"ETag": etag, **headers})
            return
        begin, end = int(asked[1]), int(asked[2] or len(data) - 1)
        if begin >= len(data):
            self.respond(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        part = data[begin : end + 1]
        place = f"bytes {begin}-{begin + len(part) - 1}/{len(data)}"
        self.respond(206, part, {"ETag": etag, "Content-Range": place, **headers})

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    #: Many connections come at once when files are fetched in parallel.
    request_queue_size = 64

    def __init__(self, sources: FakeSources, answer: Callable[[Exchange, str], None]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.sources = sources
        self.answer = answer
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class FakeSources:
    """The servers; a context that starts and stops them.

    Attributes:
        repositories: the hub's, by `org/name`.
        versions: civitai's answers about versions, by id; see `add_version`.
        models: civitai's answers about models, by id.
        blobs: the file host's files by name.
        early: ids of versions in early access.
        faults: by path, how the next requests to it are answered instead, one after the other.
        seen: every request.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.versions: dict[int, dict[str, Any]] = {}
        self.models: dict[int, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.early: set[int] = set()
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[Seen] = []
        self._released = threading.Event()
        self._servers = [_Server(self, self._answer) for _ in range(2)]
        self._servers.append(_Server(self, self._answer_blob))
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

    def add_version(self, version: int, model: int, data: bytes, **words: Any) -> dict[str, Any]:
        """A version with one safetensors file; `words` replace parts of the file's record."""
        self.blobs[sha256(data)] = data
        file = {
            "id": version * 10,
            "name": f"model_{version}.safetensors",
            "type": "Model",
            "sizeKB": round(len(data) / 1024, 2),
            "metadata": {"format": "SafeTensor", "size": "pruned", "fp": "fp16"},
            "hashes": {"SHA256": sha256(data).upper()},
            "downloadUrl": f"{self.civitai_url}/api/download/models/{version}",
            "primary": True,
            **words,
        }
        record = {"id": version, "modelId": model, "usageControl": "Download", "files": [file]}
        self.versions[version] = record
        listed = self.models.setdefault(model, {"id": model, "modelVersions": []})
        listed["modelVersions"].insert(0, {"id": version, "status": "Published"})
        return record

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
            _begin(exchange, data, after, etag)
            exchange.hang_up()

        return fault

    def stall(self, data: bytes, after: int, reached: threading.Event | None = None) -> Fault:
        """Send some bytes, then none until `release`, or for 20 seconds."""

        def fault(exchange: Exchange) -> None:
            _begin(exchange, data, after, None)
            if reached is not None:
                reached.set()
            self._released.wait(20)
            exchange.hang_up()

        return fault

    def drip(self, data: bytes, seconds: float) -> Fault:
        """Send 20 bytes at a time, until `release` or the end."""

        def fault(exchange: Exchange) -> None:
            _begin(exchange, data, 0, None)
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
        for pattern, answer in (
            (r"/api/models/([^/]+/[^/]+)/revision/(.+)", self._hub_listing),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._hub_file),
            (r"/api/v1/model-versions/(\d+)", self._civitai_version),
            (r"/api/v1/models/(\d+)", self._civitai_model),
            (r"/api/download/models/(\d+)", self._civitai_file),
        ):
            if found := re.fullmatch(pattern, path):
                answer(exchange, *found.groups())
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
        elif repository.gated and _key(exchange) != HUB_KEY:
            status = 403 if _key(exchange) else 401
            exchange.json(status, {"error": "gated"}, X_Error_Code="GatedRepo")
        elif _is_large(path):
            exchange.redirect(f"{self.files_url}/blobs/{sha256(repository.files[path])}?signed=yes")
        else:
            exchange.file(repository.files[path], X_Repo_Commit=commit)

    def _readable(self, exchange: Exchange, name: str) -> Repository | None:
        repository = self.repositories.get(name)
        hidden = repository is not None and repository.private and _key(exchange) != HUB_KEY
        return None if hidden else repository

    def _civitai_version(self, exchange: Exchange, number: str) -> None:
        self._record(exchange, self.versions.get(int(number)), "version")

    def _civitai_model(self, exchange: Exchange, number: str) -> None:
        self._record(exchange, self.models.get(int(number)), "model")

    def _record(self, exchange: Exchange, record: dict[str, Any] | None, what: str) -> None:
        if record is None:
            exchange.json(404, {"error": f"No {what} with this id"})
        else:
            exchange.json(200, record)

    def _civitai_file(self, exchange: Exchange, number: str) -> None:
        if exchange.headers.get("Content-Type") != "application/json":
            exchange.redirect(f"{self.civitai_url}/login", 307)
        elif _key(exchange) != CIVITAI_KEY:
            exchange.json(401, {"error": "Unauthorized", "message": "Log in to download"})
        elif int(number) in self.early:
            exchange.json(403, {"error": "Early Access", "deadline": "2030-01-01"})
        else:
            digest = self.versions[int(number)]["files"][0]["hashes"]["SHA256"].lower()
            exchange.redirect(f"{self.files_url}/blobs/{digest}", 307)

    def _answer_blob(self, exchange: Exchange, path: str) -> None:
        data = self.blobs.get(path.removeprefix("/blobs/"))
        if exchange.headers.get("Authorization"):
            exchange.json(400, {"error": "Only one auth mechanism allowed"})
        elif data is None:
            exchange.json(404, {"error": "NoSuchKey"})
        else:
            exchange.file(data)


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with this; underscores in the headers' names are hyphens."""
    return lambda exchange: exchange.respond(status, body, headers)


def unmeasured(data: bytes) -> Fault:
    """Answer with this, its length only told by the end of the connection."""

    def fault(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", "application/octet-stream")
        exchange.send_header("Connection", "close")
        exchange.end_headers()
        exchange.wfile.write(data)
        exchange.hang_up()

    return fault


def redirect(location: str) -> Fault:
    """Send elsewhere."""
    return lambda exchange: exchange.redirect(location)


def _begin(exchange: Exchange, data: bytes, after: int, etag: str | None) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(data)))
    exchange.send_header("ETag", etag or f'"{sha256(data)}"')
    exchange.end_headers()
    exchange.wfile.write(data[:after])
    exchange.wfile.flush()


def _key(exchange: Exchange) -> str:
    return exchange.headers.get("Authorization", "").removeprefix("Bearer ")


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".gguf"))
