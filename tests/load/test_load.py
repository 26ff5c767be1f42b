"""Many clients of every API at once: each gets its own picture, and every accepted job ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import httpx
import pytest

from server.database import Database
from server.folders import Folders
from server.keys.store import KeyStore
from tests.load.clients import EVERY, PATIENCE, SEEDS, Asks, Client, Refused, seed_of
from tests.servers import ROOT, ServerProcess
from tests.support import MEASURED

DIALECTS = ("bfl", "krea", "cyberimage", "desktop", "openai", "automatic1111")

#: Every API makes tiny pictures with the embedded model, as often as it likes.
CONFIGURATION = "\n".join(
    f'[dialects.{name}]\nmodel = "quick"\nrate_limit = false' for name in DIALECTS
)


@dataclass
class Outcome:
    """What the clients got. `strange` are pictures of somebody else's seed, and other faults."""

    pictures: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    seconds: float = 0

    def __str__(self) -> str:
        total, each = self.pictures.total(), dict(self.pictures)
        return f"{self.seconds:.0f} s, {total} pictures {each}, refused {dict(self.refused)}"


@pytest.mark.parametrize(
    ("clients", "seconds"),
    [(10, 10), pytest.param(50, 120, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])],
)
def test_everybody_gets_their_own_picture(
    tmp_path: Path, record_property: Callable[[str, object], None], clients: int, seconds: float
) -> None:
    data, config = tmp_path / "data", tmp_path / "darkroom.toml"
    config.write_text(CONFIGURATION)
    options = ("--config", str(config), "--default-model", "quick")
    folder = ROOT / "tests" / "plugins_load"
    with ServerProcess(data, *options, "--plugin-folder", str(folder)) as server:
        # Seconds in which the model is loaded are no load.
        assert server.wait(server.submit())["status"] == "completed"
        pictures = 1
        for with_keys in (False, True):
            keys = make_keys(data, clients) if with_keys else []
            outcome = asyncio.run(load(server.url, clients, seconds, keys))
            pictures += outcome.pictures.total()
            record_property(MEASURED, f"{clients} clients{' with keys' * with_keys}, {outcome}")
            headers = {"x-key": keys[0]} if keys else {}
            assert outcome.strange == []
            assert outcome.pictures.keys() == {ask.__name__ for ask in EVERY}
            statuses = Counter(job["status"] for job in all_jobs(server, headers))
            assert statuses == {"completed": pictures}
            queue = server.get("/api/queue", headers=headers)
            assert (queue["pending"], queue["running"]) == (0, 0)


def make_keys(data: Path, count: int) -> list[str]:
    """Keys that the server on this folder asks for from now on."""
    database = Database(Folders.of(data).database)
    try:
        store = KeyStore(database)
        return [store.add(f"client-{number}") for number in range(count)]
    finally:
        database.close()


async def load(url: str, clients: int, seconds: float, keys: Sequence[str]) -> Outcome:
    """Let so many clients ask again and again for so long; each then waits for its last answer."""
    outcome, began = Outcome(), time.monotonic()
    end = began + seconds
    async with asyncio.TaskGroup() as group:
        for number, ask in enumerate(islice(cycle(EVERY), clients)):
            key = keys[number] if keys else None
            group.create_task(_ask_until(end, ask, url, key, outcome))
    outcome.seconds = time.monotonic() - began
    return outcome


async def _ask_until(end: float, ask: Asks, url: str, key: str | None, outcome: Outcome) -> None:
    headers = {"x-key": key} if key else {}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE) as http:
        client = Client(url, http, key)
        while True:
            seed = next(SEEDS)
            try:
                found = seed_of(await ask(client, seed))
            except Refused:
                outcome.refused[ask.__name__] += 1
                await asyncio.sleep(1)
            else:
                outcome.pictures[ask.__name__] += 1
                if found != seed:
                    outcome.strange.append(f"{ask.__name__} asked for {seed} and got {found}")
            if time.monotonic() >= end:
                break
    outcome.strange += client.faults


def all_jobs(server: ServerProcess, headers: dict[str, str]) -> list[dict[str, str]]:
    """Every job that there ever was."""
    found: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": 200, "cursor": cursor}
        page = server.get("/api/jobs", params=params, headers=headers)
        found += page["jobs"]
        cursor = page["next_cursor"]
    return found
