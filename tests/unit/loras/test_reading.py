"""One look at the folders: in which order files are read, and how it ends early."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import server.loras.reading
from server.database import Database
from server.loras.reading import Reading, RescanSummary
from server.loras.recognition import Recognition
from server.loras.scanner import Folder
from server.loras.store import LoraStore
from tests.unit.loras.builders import families, family, lora


def reading(database: Database, folder: Path, **options: Any) -> Reading:
    recognition = Recognition(families(), lambda name, message: None)
    return Reading(LoraStore(database), recognition, [Folder("", folder)], **options)


def names(database: Database) -> list[str]:
    return [name for _, name in LoraStore(database).files()]


def test_the_newest_file_is_read_first(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.loras.reading, "LEAST", 0.0)
    for number, name in enumerate(("old", "new", "older")):
        path = lora(tmp_path / "loras" / f"{name}.safetensors", seed=number)
        os.utime(path, (0, {"older": 1, "old": 2, "new": 3}[name]))
    look = reading(database, tmp_path / "loras", stop=lambda: True)
    first = look.run()
    assert (names(database), look.finished) == (["new.safetensors"], False)
    look = reading(database, tmp_path / "loras")
    second = look.run()
    assert (second.added, second.unchanged, second.after(first).added) == (2, 1, 3)
    assert second.after(first).since(first) == second
    assert look.finished and len(names(database)) == 3


def test_a_renamed_file_has_its_old_name_until_it_is_read(
    tmp_path: Path, database: Database
) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    reading(database, tmp_path / "loras").run()
    path.rename(path.with_name("y.safetensors"))
    assert reading(database, tmp_path / "loras", give_up=lambda: True).run().removed == 0
    assert [file.gone for file in LoraStore(database).files().values()] == [False]
    second = reading(database, tmp_path / "loras").run()
    assert (second.added, second.removed, second.total) == (1, 1, 1)
    assert {name: file.gone for (_, name), file in LoraStore(database).files().items()} == {
        "x.safetensors": True, "y.safetensors": False,
    }  # fmt: skip


def test_what_nobody_thought_of_keeps_no_other_file_from_being_read(
    tmp_path: Path, database: Database
) -> None:
    for number in range(3):
        lora(tmp_path / "loras" / f"{number}.safetensors", width=12 if number == 1 else 8)
    # Python writes no number of so many digits.
    some = families(family("oak"), family("elm", width_of=lambda shapes: 10**5000))
    recognition = Recognition(some, lambda name, message: None)
    look = Reading(LoraStore(database), recognition, [Folder("", tmp_path / "loras")])
    left_out = ("1.safetensors",)
    summary = RescanSummary(added=2, incomplete=1, total=2, incomplete_files=left_out)
    assert look.run() == summary
    assert sorted(names(database)) == ["0.safetensors", "2.safetensors"]


def test_dates_beyond_the_database_s(tmp_path: Path, database: Database) -> None:
    for number in range(2):
        path = lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
    os.utime(path, ns=(10**19, 10**19))  # in 2286; some file systems have it
    assert reading(database, tmp_path / "loras").run() == RescanSummary(added=2, total=2)
    assert reading(database, tmp_path / "loras").run() == RescanSummary(unchanged=2, total=2)


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
