"""What the sound plugins announce, and how their hooks are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.errors import ModelLoadFailed
from server.generation import Task
from server.plugins.manager import PluginManager, discover
from server.plugins.types import FinishedJob, LoadContext, ModelCard, NewImage
from tests.support import COLOURS, PLUGINS, TESTS, WATERMARK, Listener, fill_folder

CONTEXT = LoadContext(path=TESTS, device="cpu", dtype="float32")

OBSERVER = """
from darkroom import hookimpl

seen = []

@hookimpl
def job_finished(job):
    seen.append(job.status)

@hookimpl
def image_added():
    seen.append("an image")
"""


class Cancelled(BaseException):
    """What a listener raises to cancel."""


def images(manager: PluginManager, **values: Any) -> Iterator[Image.Image]:
    """The images of a task of `colours`."""
    family, card = manager.cards["colours"]
    params = family.params.model_validate({"prompt": "red", "seed": 7, **values})
    task = Task("job", card.id, family.name, params, tuple(range(params.num_images)))
    return manager.generate(manager.load_model(card, CONTEXT), task, Listener())


def test_families_and_cards_in_the_order_of_announcement() -> None:
    manager = discover(PLUGINS)
    assert list(manager.families)[-1] == "colours"
    assert list(manager.cards)[-2:] == ["colours", "colours-four-step"]
    family, card = manager.cards["colours-four-step"]
    assert family is manager.families["colours"]
    assert card.fixed == {"steps": 4}
    assert manager.provider("colours") == "colours"
    with pytest.raises(KeyError):
        manager.provider("nobody")


def test_a_watermark_works_for_any_family_and_changes_only_where_it_draws(tmp_path: Path) -> None:
    plain = list(images(discover(PLUGINS), num_images=2))
    marked = list(images(discover(fill_folder(tmp_path, COLOURS, WATERMARK)), num_images=2))
    for before, after in zip(plain, marked, strict=True):
        changed = (np.asarray(before) != np.asarray(after)).any(axis=2)
        assert changed[-8:, -8:].all()
        changed[-8:, -8:] = False
        assert not changed.any()
        assert (np.asarray(after)[-8:, -8:] == 255).all()


def test_images_come_one_by_one_also_through_a_wrapper(tmp_path: Path) -> None:
    manager = discover(fill_folder(tmp_path, COLOURS, WATERMARK))
    family, card = manager.cards["colours"]
    params = family.params.model_validate({"prompt": "red", "seed": 7, "num_images": 2, "steps": 3})
    steps: list[int] = []

    def note(step: int, total_steps: int, latents: Any = None) -> None:
        steps.append(step)

    task = Task("job", card.id, family.name, params, (0, 1))
    made = manager.generate(manager.load_model(card, CONTEXT), task, note)
    next(made)
    assert steps == [1, 2, 3]
    next(made)
    assert steps == [1, 2, 3, 1, 2, 3]


def test_what_the_listener_raises_comes_through_at_once(tmp_path: Path) -> None:
    manager = discover(fill_folder(tmp_path, COLOURS, WATERMARK))
    family, card = manager.cards["colours"]
    params = family.params.model_validate({"prompt": "red", "seed": 7})
    steps: list[int] = []

    def cancel(step: int, total_steps: int, latents: Any = None) -> None:
        steps.append(step)
        raise Cancelled

    task = Task("job", card.id, family.name, params, (0,))
    with pytest.raises(Cancelled):
        list(manager.generate(manager.load_model(card, CONTEXT), task, cancel))
    assert steps == [1]


def test_a_card_that_nobody_announced_does_not_load() -> None:
    with pytest.raises(ModelLoadFailed, match="No plugin announces the model `ghost`"):
        discover().load_model(ModelCard(id="ghost", title="", source="."), CONTEXT)


def test_observers_may_take_fewer_arguments(tmp_path: Path) -> None:
    (tmp_path / "watching_everything.py").write_text(OBSERVER)
    manager = discover(tmp_path)
    manager.job_finished(FinishedJob("job", "failed", "colours", {}))
    manager.image_added(NewImage("job_0.png", tmp_path, {}))
    import watching_everything  # type: ignore[import-not-found]

    assert watching_everything.seen == ["failed", "an image"]
    assert all(record.ok for record in manager.records())


def test_faults_seen_in_use_are_noted_once_from_any_thread() -> None:
    manager = discover(PLUGINS)

    def complain() -> None:
        for number in range(50):
            manager.fault("colours", f"fault {number % 5}")

    threads = [Thread(target=complain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = next(record for record in manager.records() if record.name == "colours")
    assert sorted(record.faults) == [f"fault {n}" for n in range(5)]


def test_a_fault_of_an_unknown_plugin_changes_no_record() -> None:
    manager = discover(PLUGINS)
    before = manager.records()
    manager.fault("nobody", "gone")
    assert manager.records() == before
