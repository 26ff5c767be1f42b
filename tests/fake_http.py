"""Real HTTP on loopback, in threads, for fakes of other people's servers."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

#: How a request is answered instead of as it should be; called once with the request.
Fault = Callable[["Exchange"], None]


def weights(size: int = 1000, fill: int = 7) -> bytes:
    """A safetensors file with one tensor of `size` bytes."""
    tensor = {"x": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    header = json.dumps(tensor).encode()
    pattern = bytes((fill + 31 * place) % 251 for place in range(251))
    body = (pattern * (size // len(pattern) + 1))[:size]
    return len(header).to_bytes(8, "little") + header + body


def lora(width: int = 8, fill: int = 7) -> bytes:
    """A safetensors file with a LoRA of one module, of `width` rows and columns and rank 2."""
    size = 4 * 2 * width
    shapes = {"lora_down": [2, width], "lora_up": [width, 2]}
    told = {
        f"lora_unet_block_to_q.{role}.weight": {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [place * size, (place + 1) * size],
        }
        for place, (role, shape) in enumerate(shapes.items())
    }
    header = json.dumps(told).encode()
    return len(header).to_bytes(8, "little") + header + bytes([fill]) * (2 * size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Log(Protocol):
    """What came in, and how the next requests are answered instead of as they should be."""

    seen: list[Seen]
    faults: dict[str, list[Fault]]


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    query: Mapping[str, list[str]]
    body: bytes

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        server = cast("Server", self.server)
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.query = parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.log.seen.append(Seen(self.headers["Host"], path, dict(self.headers), self.body))
        faults = server.log.faults.get(path)
        if faults:
            faults.pop(0)(self)
        else:
            server.answer(self, path)

    do_POST = do_GET  # noqa: N815 - the base class looks for this name

    @property
    def key(self) -> str:
        """The key that came with the request; "" without."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

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


class Server(ThreadingHTTPServer):
    """A server on a free port of loopback."""

    daemon_threads = True
    #: Many connections come at once when files are fetched in parallel.
    request_queue_size = 64

    def __init__(self, log: Log, answer: Callable[[Exchange, str], None]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.log = log
        self.answer = answer
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


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


def begin(exchange: Exchange, data: bytes, after: int, etag: str | None) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(data)))
    exchange.send_header("ETag", etag or f'"{sha256(data)}"')
    exchange.end_headers()
    exchange.wfile.write(data[:after])
    exchange.wfile.flush()
