"""Many clients of every API at once: each gets its own picture, and every accepted job ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import cycle, islice
from pathlib import Path

import httpx
import pytest

from tests.load.clients import EVERY, PATIENCE, SEEDS, Asks, Client, Refused, seed_of
from tests.servers import ROOT, ServerProcess

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


@pytest.mark.parametrize("with_keys", [False, True], ids=["open", "with keys"])
@pytest.mark.parametrize(
    ("clients", "seconds"),
    [(10, 10), pytest.param(50, 120, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_everybody_gets_their_own_picture(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clients: int,
    seconds: float,
    with_keys: bool,
) -> None:
    data, config = tmp_path / "data", tmp_path / "darkroom.toml"
    config.write_text(CONFIGURATION)
    keys = [make_key(data, f"client-{number}") for number in range(clients)] if with_keys else []
    options = ("--config", str(config), "--default-model", "quick")
    folder = ROOT / "tests" / "plugins_load"
    began = time.monotonic()
    with ServerProcess(data, *options, "--plugin-folder", str(folder)) as server:
        outcome = asyncio.run(load(server.url, clients, seconds, keys))
        lasted = time.monotonic() - began
        headers = {"x-key": keys[0]} if keys else {}
        jobs = all_jobs(server, headers)
        queue = server.get("/api/queue", headers=headers)
    with capsys.disabled():
        print(
            f"\n{date.today()}: {clients} clients{' with keys' * with_keys}, {lasted:.0f} s, "
            f"{outcome.pictures.total()} pictures {dict(outcome.pictures)}, "
            f"refused {dict(outcome.refused)}"
        )
    assert outcome.strange == []
    assert outcome.pictures.keys() == {ask.__name__ for ask in EVERY}
    assert Counter(job["status"] for job in jobs) == {"completed": outcome.pictures.total()}
    assert (queue["pending"], queue["running"]) == (0, 0)


def make_key(data: Path, name: str) -> str:
    """A key, made by the command line."""
    command = [sys.executable, "-m", "server", "keys", "add", name, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


async def load(url: str, clients: int, seconds: float, keys: Sequence[str]) -> Outcome:
    """Let so many clients ask again and again for so long; each then waits for its last answer."""
    outcome, end = Outcome(), time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number, ask in enumerate(islice(cycle(EVERY), clients)):
            key = keys[number] if keys else None
            group.create_task(_ask_until(end, ask, url, key, outcome))
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
