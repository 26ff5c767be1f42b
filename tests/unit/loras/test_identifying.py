"""Files are looked up on civitai by their hashes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.loras import identifying
from server.loras.identifying import Answer, identify, unanswered
from server.loras.registry import LoraRegistry
from server.source_errors import SourceUnreachable
from server.sources.client import RETRIES
from tests.fake_civitai import CIVITAI_KEY, LICENCE
from tests.fake_sources import FakeSources, answer, redirect
from tests.unit.loras.builders import lora, registry

BY_HASH = "/api/v1/model-versions/by-hash"


@pytest.fixture
def fake() -> Iterator[FakeSources]:
    with FakeSources() as sources:
        yield sources


@pytest.fixture
async def found(tmp_path: Path, fake: FakeSources) -> AsyncIterator[LoraRegistry]:
    """Two files, of which civitai knows one."""
    known = lora(tmp_path / "loras" / "known.safetensors", seed=1)
    lora(tmp_path / "loras" / "stranger.safetensors", seed=2)
    fake.add_lora(70, 7, known.read_bytes())
    async with registry(tmp_path) as started:
        yield started


async def ask(found: LoraRegistry, fake: FakeSources, *, again: bool = False) -> list[Answer]:
    async with fake.client() as client:
        hashes = unanswered(found, again=again)
        return [answer async for answer in identify(hashes, found, client, pause=0)]


async def test_a_known_file_gets_what_civitai_says(found: LoraRegistry, fake: FakeSources) -> None:
    before = found.find("known")
    answers = await ask(found, fake)
    assert sorted(answer.version.id if answer.version else 0 for answer in answers) == [0, 70]
    record = found.find("civitai_70")
    assert record.path == before.path and before.id in record.aliases
    assert (record.model_id, record.version_id) == (7, 70)
    assert record.trigger_words == ("inkwash", "ink wash", "paper")
    assert record.license == LICENCE
    (request,) = fake.requests(BY_HASH)
    assert sorted(json.loads(request.body)) == sorted(
        record.sha256.upper() for record in found.records()
    )
    assert request.headers["Authorization"] == f"Bearer {CIVITAI_KEY}"


async def test_a_broken_answer_spoils_no_other(
    tmp_path: Path, found: LoraRegistry, fake: FakeSources
) -> None:
    third = lora(tmp_path / "loras" / "third.safetensors", seed=3)
    fake.add_lora(71, 7, third.read_bytes(), images=[{"type": "image"}, "x", {"url": "http://e"}])
    broken = lora(tmp_path / "loras" / "broken.safetensors", seed=4)
    fake.add_lora(72, 7, broken.read_bytes(), modelId="no number")
    await found.rescan()
    fake.fail("/api/v1/models", answer(400, b"{}"))
    answers = await ask(found, fake)
    assert sorted(answer.version.id for answer in answers if answer.version) == [70, 71]
    assert len(answers) == 2, "whether the others are there is not known"
    assert found.find("civitai_70").license == {} == found.find("civitai_71").license
    assert found.find("stranger").sha256 in found.unidentified(), "it is asked about again"


async def test_what_is_not_there_is_not_asked_for_again(
    found: LoraRegistry, fake: FakeSources
) -> None:
    await ask(found, fake)
    assert await ask(found, fake) == [] and len(fake.requests(BY_HASH)) == 1
    (stranger,) = await ask(found, fake, again=True)
    assert stranger == Answer(found.find("stranger").sha256, None)
    assert json.loads(fake.requests(BY_HASH)[1].body) == [stranger.sha256.upper()]


async def test_many_files_are_asked_about_in_parts(
    tmp_path: Path, fake: FakeSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identifying, "MOST_HASHES", 2)
    for seed in range(5):
        lora(tmp_path / "loras" / f"{seed}.safetensors", seed=seed)
    async with registry(tmp_path) as found:
        assert len(await ask(found, fake)) == 5
    assert [len(json.loads(seen.body)) for seen in fake.requests(BY_HASH)] == [2, 2, 1]


async def test_a_busy_site_is_waited_for(found: LoraRegistry, fake: FakeSources) -> None:
    fake.fail(BY_HASH, answer(429, Retry_After="0"), answer(503))
    assert len(await ask(found, fake)) == 2
    fake.fail(BY_HASH, *[answer(503)] * (RETRIES + 1))
    with pytest.raises(SourceUnreachable):
        await ask(found, fake, again=True)


async def test_hashes_are_sent_to_nobody_else(found: LoraRegistry, fake: FakeSources) -> None:
    fake.fail(BY_HASH, redirect(f"{fake.files_url}/elsewhere"))
    with pytest.raises(Exception, match="answered 302"):
        await ask(found, fake)
    assert [seen.path for seen in fake.seen] == [BY_HASH]
