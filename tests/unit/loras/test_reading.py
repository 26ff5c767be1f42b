"""One look at the folders: in which order files are read, and how it ends early."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from server.database import Database
from server.loras.reading import Reading, RescanSummary
from server.loras.recognition import Recognition
from server.loras.scanner import Folder
from server.loras.store import LoraStore
from tests.unit.loras.builders import families, lora


def reading(database: Database, folder: Path, **options: Any) -> Reading:
    recognition = Recognition(families(), lambda name, message: None)
    return Reading(LoraStore(database), recognition, [Folder("", folder)], **options)


def names(database: Database) -> list[str]:
    return [name for _, name in LoraStore(database).files()]


def test_the_newest_file_is_read_first(tmp_path: Path, database: Database) -> None:
    for number, name in enumerate(("old", "new", "older")):
        path = lora(tmp_path / "loras" / f"{name}.safetensors", seed=number)
        os.utime(path, (0, {"older": 1, "old": 2, "new": 3}[name]))
    asked = iter((False, True))
    look = reading(database, tmp_path / "loras", stop=lambda: next(asked))
    first = look.run()
    assert (names(database), look.finished) == (["new.safetensors"], False)
    look = reading(database, tmp_path / "loras")
    assert look.run().after(first) == RescanSummary(added=3, total=3)
    assert look.finished and len(names(database)) == 3


def test_a_file_that_is_given_up_is_not_stored(tmp_path: Path, database: Database) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    look = reading(database, tmp_path / "loras", give_up=lambda: True)
    assert look.run() == RescanSummary()
    assert names(database) == [] and not look.finished


def test_a_file_that_was_written_just_now_is_worth_another_look(
    tmp_path: Path, database: Database
) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    path.touch()
    look = reading(database, tmp_path / "loras")
    assert (look.run().incomplete, look.soon, names(database)) == (1, True, [])


def test_progress_is_told_after_each_file(tmp_path: Path, database: Database) -> None:
    for number in range(3):
        lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
    told: list[int] = []
    reading(database, tmp_path / "loras", progress=lambda: told.append(len(names(database)))).run()
    assert told == [1, 2, 3]


def test_links_that_lead_elsewhere_are_told(tmp_path: Path, database: Database) -> None:
    lora(tmp_path / "outside" / "x.safetensors")
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "link").symlink_to(tmp_path / "outside")
    look = reading(database, tmp_path / "loras")
    look.run()
    assert look.linked == {tmp_path / "loras" / "link"}
    assert names(database) == ["link/x.safetensors"]
