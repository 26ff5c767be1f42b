"""Asks civitai about LoRAs that came here another way, by the hashes of their files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.loras.companions import licences, with_licence
from server.loras.registry import LoraRegistry
from server.sources import civitai
from server.sources.civitai import MOST_HASHES, Version
from server.sources.client import SourceClient

#: Seconds between two questions.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What civitai says of a file, by its SHA-256; None: it does not know it."""

    sha256: str
    version: Version | None


async def identify(
    hashes: Sequence[str],
    registry: LoraRegistry,
    client: SourceClient,
    *,
    pause: float = PAUSE,
) -> AsyncIterator[Answer]:
    """Ask civitai about files, and keep what it says; it is not asked twice about what it does not
    know, unless somebody asks for that.

    Args:
        hashes: SHA-256 of files, in lower case.
        registry: keeps the answers.
        client: an open client.
        pause: seconds between two questions, of up to `MOST_HASHES` files each.

    Raises:
        SourceFailed: one of its kinds; the answers before are kept.
        DatabaseUnavailable
    """
    for begin in range(0, len(hashes), MOST_HASHES):
        if begin:
            await asyncio.sleep(pause)
        batch = hashes[begin : begin + MOST_HASHES]
        found = await civitai.find_by_hash(batch, client)
        models = {each.model_id for each in found.versions if each.model_id is not None}
        flags = await licences(sorted(models), client)
        answers = [
            answer
            for answer in (_answer(sha256, found.versions) for sha256 in batch)
            if answer.version is not None or found.whole
        ]
        await registry.note_answers(
            {answer.sha256: _told(answer.version, flags) for answer in answers}
        )
        for answer in answers:
            yield answer


def _answer(sha256: str, versions: Sequence[Version]) -> Answer:
    return Answer(sha256, next((version for version in versions if version.has(sha256)), None))


def _told(version: Version | None, flags: Mapping[int, Mapping[str, Any]]) -> dict[str, Any] | None:
    if version is None:
        return None
    return with_licence(version, flags.get(version.model_id or 0, {}))


def unanswered(registry: LoraRegistry, *, again: bool) -> list[str]:
    """The SHA-256 of the user's files about which civitai is to be asked: those it was not asked
    about yet, and with `again` also those that it did not know."""
    if not again:
        return registry.unidentified()
    return [
        record.sha256
        for record in registry.records()
        if record.version_id is None and not record.bundled
    ]
