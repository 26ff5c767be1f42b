"""A real server process, spoken to over real HTTP, and killed when a test says so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil
from httpx_sse import ServerSentEvent, connect_sse

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(r"serves on (http://\S+)")
LISTENER = re.compile(r"^  .*\((\w+)\): (http://\S+)$")
ENDED = ("completed", "failed", "cancelled")

#: Seconds a test waits for what must happen; generous, since CI machines are slow and shared.
PATIENCE = 90.0


class ServerProcess:
    """`darkroom serve` on a free port with a data folder of its own; a context that stops it."""

    def __init__(self, data: Path, *options: str) -> None:
        self._log = (data.parent / f"{data.name}.log").open("a")
        command = [sys.executable, "-m", "server", "serve", "--port", "0", "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._listeners: dict[str, str] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.url = self._address()
        # Nothing here is encrypted, and reading all certificates takes long.
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, verify=False)

    @property
    def log(self) -> str:
        """What the server and its workers have written to standard error."""
        return Path(self._log.name).read_text()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self._stop()

    def _stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        if self._reader.ident is not None:  # it was started
            self._reader.join(PATIENCE)
        self.process.stdout.close()
        self._log.close()

    def _address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := ADDRESS.search(line):
                # Nobody may block the server by not reading what it prints.
                self._reader.start()
                return found[1]
        code = self.process.wait()
        self._stop()
        raise AssertionError(
            f"the server ended with code {code} before it served: {self.log[-2000:]}"
        )

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := LISTENER.match(line):
                self._listeners[found[1]] = found[2]

    def url_of(self, dialect: str) -> str:
        """The address of a dialect's own port, for a server started with `"--listen", "NAME=0"`."""
        deadline = time.monotonic() + PATIENCE
        while dialect not in self._listeners:
            assert time.monotonic() < deadline, f"the server never said where it serves {dialect}"
            time.sleep(0.01)
        return self._listeners[dialect]

    # --- faults ----------------------------------------------------------------------------

    def kill(self) -> None:
        """kill -9, and the worker's end with it."""
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        psutil.wait_procs(workers, timeout=PATIENCE)

    def terminate(self) -> float:
        """SIGTERM; the seconds until the process was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - began

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this server."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "server.worker" in _command(child)]

    def kill_worker(self) -> None:
        """kill -9 of the worker, when there is one."""
        for worker in self.workers():
            worker.kill()

    # --- requests --------------------------------------------------------------------------

    def get(self, path: str, **options: Any) -> Any:
        """The JSON at `path`."""
        answer = self.client.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, prompt: str = "a red circle on a blue background", **words: Any) -> str:
        """Submit a job; its id."""
        answer = self.client.post("/api/generate", json={"prompt": prompt, **words})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def events(self, path: str, **headers: str) -> Iterator[ServerSentEvent]:
        """The events of a stream, until it ends."""
        with connect_sse(self.client, "GET", path, headers=headers) as source:
            yield from source.iter_sse()

    def snapshots(self, job_id: str) -> Iterator[dict[str, Any]]:
        """A job's snapshots up to the terminal one."""
        for event in self.events(f"/api/sse/{job_id}"):
            yield json.loads(event.data)

    def wait(self, job_id: str) -> dict[str, Any]:
        """The job's terminal snapshot."""
        for shown in self.snapshots(job_id):
            if shown["status"] in ENDED:
                return shown
        raise AssertionError(f"the stream of {job_id} ended before the job did")

    def images(self) -> list[dict[str, Any]]:
        """The whole gallery, newest first."""
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 200}
        while True:
            page = self.get("/api/images", params=params)
            found += page["images"]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    def png(self, filename: str) -> bytes:
        """The bytes of an image."""
        answer = self.client.get(f"/api/images/{filename}")
        assert answer.status_code == 200, answer.text
        return answer.content


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
