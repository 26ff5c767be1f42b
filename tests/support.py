"""What several test modules need: the plugins of the tests, and folders made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server.snapshots import Weights

TESTS = Path(__file__).parent

#: What a test notes with `record_property(MEASURED, text)` is shown at the end, whichever process
#: ran it.
MEASURED = "measured"

#: A plugin folder with the torch-free family `colours` alone.
PLUGINS = TESTS / "plugins"
COLOURS = PLUGINS / "colours.py"
WATERMARK = TESTS / "plugins_wrapping" / "watermark.py"
TELEGRAPH = TESTS / "plugins_speaking" / "telegraph.py"
#: Misbehaving plugins, a file each.
GALLERY = TESTS / "plugins_gallery"


@dataclass
class Listener:
    """A step listener that calls `step` with each step, and notes warnings."""

    step: Callable[[int, int, Any], None] | None = None
    warnings: list[str] = field(default_factory=list)

    def __call__(self, step: int, total_steps: int, latents: Any = None) -> None:
        if self.step is not None:
            self.step(step, total_steps, latents() if callable(latents) else latents)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def weights_at(path: Path | str = "/weights") -> Weights:
    """A model's files, all in one place."""
    return Weights(path=str(path), components={}, config=None)


def fill_folder(folder: Path, *plugins: Path) -> Path:
    """A plugin folder with links to these plugins.

    Links, because one process imports a module name once, for all tests: a copy would be another
    module of the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for plugin in plugins:
        (folder / plugin.name).symlink_to(plugin)
    return folder


def know_hub(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and its children take `url` for the hub, without a token and with an empty
    cache below `folder`."""
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub-cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def note_syncs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[str]]:
    """Note what is made durable from now on. Call the result with a folder for the names of the
    files in it, in that order; "." is the folder itself."""
    synced: list[int] = []
    sync = os.fsync

    def heard(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def names(folder: Path) -> list[str]:
        known = {path.stat().st_ino: path.name for path in folder.iterdir()}
        known[folder.stat().st_ino] = "."
        return [known[inode] for inode in synced if inode in known]

    monkeypatch.setattr("os.fsync", heard)
    return names
