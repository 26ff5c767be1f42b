"""What a server says of its model when it starts, and where a private one finds models."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.app import create_service
from server.cli import serve, sessions
from server.config import Settings
from server.listeners import Listeners, listen
from server.residency import Residency


def test_a_server_says_that_its_model_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKROOM_DEFAULT_MODEL", "sdxl-base")
    service = create_service(Settings(data=tmp_path, port=0))
    service.open()

    async def announced(listeners: Listeners) -> None:
        await serve.announce(service, listeners)
        await service.stop()

    with listen(service.settings) as listeners:
        asyncio.run(announced(listeners))
    said = capsys.readouterr().out
    assert "(6.9 GB) is not downloaded yet: the first job fetches it" in said
    assert "--default-model" in said and "cannot be used" not in said


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("downloading", "is being downloaded"),
        ("in_ram", "is ready"),
        ("on_disk", "is loaded with the first job"),
        ("failed", "cannot be used: its state is failed"),
    ],
)
def test_a_server_says_how_its_model_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    state: str,
    words: str,
) -> None:
    monkeypatch.setenv("DARKROOM_DEFAULT_MODEL", "sdxl-base")
    model = Residency(create_service(Settings(data=tmp_path)).catalog).all()[0]
    serve._tell(replace(model, state=state), can_fetch=False)
    assert words in " ".join(capsys.readouterr().out.split())


def test_a_private_server_uses_the_models_that_were_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_DEFAULT_MODEL", "sdxl-base")
    seen: list[Settings] = []

    def create(settings: Settings) -> Any:
        seen.append(settings)
        return create_service(settings)

    async def begin() -> None:
        async with sessions.private(None, data=tmp_path, device="cpu"):
            pass

    monkeypatch.setattr("server.app.create_service", create)
    asyncio.run(begin())
    assert seen[0].folders.models == tmp_path / "models"
    assert seen[0].folders.images.parent != tmp_path, "all else is its own"
