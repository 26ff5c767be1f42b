"""The runner, in this process, with families that need no torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server import pnginfo
from server.plugins.manager import PluginManager, discover
from server.snapshots import (
    ImageReady,
    LoadModel,
    ModelState,
    PhaseChanged,
    PluginFault,
    PreviewReady,
    RunTask,
    StepDone,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    UnloadModel,
    WorkerMessage,
)
from server.worker.options import WorkerOptions
from server.worker.preview import Previewer
from server.worker.runner import Runner
from tests.support import COLOURS, GALLERY, PLUGINS, WATERMARK, fill_folder, weights_at

NOISY = Path(__file__).parent / "noisy.py"
JOB = "20260101_000000_00000000"


class Bench:
    """A runner, and every message it sent."""

    def __init__(self, plugins: PluginManager) -> None:
        self.messages: list[WorkerMessage] = []
        self.react: Callable[[WorkerMessage], None] = lambda message: None
        options = WorkerOptions(device="cpu")
        self.runner = Runner(plugins, self._take, Previewer(self._take, 0), options)

    def run(self, prompt: str = "red", indices: tuple[int, ...] = (0,), **params: Any) -> Bench:
        """Run a task; `model`, `family`, `attempt` and `weights` may be given too."""
        model = params.pop("model", "colours")
        task = {
            "job_id": JOB,
            "model": model,
            "family": params.pop("family", "colours"),
            "indices": list(indices),
        }
        attempt, weights = params.pop("attempt", 1), weights_at(params.pop("weights", "/weights"))
        task["params"] = {"prompt": prompt, "seed": 5, "num_images": 3, "steps": 2, **params}
        self.messages.clear()
        self.runner.run(RunTask(task, attempt, weights))
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def last(self) -> WorkerMessage:
        return self.messages[-1]

    def _take(self, message: WorkerMessage) -> None:
        self.messages.append(message)
        self.react(message)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(discover(PLUGINS))
    yield bench
    bench.runner.close()


def bench_with(folder: Path, *plugins: Path) -> Bench:
    return Bench(discover(fill_folder(folder, *plugins)))


def pixels(message: ImageReady) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(BytesIO(message.png)))


def test_a_task_from_start_to_finish(bench: Bench) -> None:
    bench.run(indices=(0, 2))
    told = [message for message in bench.messages if not isinstance(message, ImageReady)]
    assert told[:-1] == [
        TaskStarted(JOB, 1),
        PhaseChanged("preparing"),
        PhaseChanged("loading"),
        ModelState("colours", "loading"),
        ModelState("colours", "loaded"),
        PhaseChanged("generating", 0),
        StepDone(0, 1, 2),
        StepDone(0, 2, 2),
        PhaseChanged("generating", 2),
        StepDone(2, 1, 2),
        StepDone(2, 2, 2),
        PhaseChanged("saving"),
    ]
    assert isinstance(bench.last, TaskFinished)
    assert bench.last.host_seconds.keys() == {"steps", "images"}
    assert min(bench.last.host_seconds.values()) > 0
    assert [image.image_index for image in bench.of(ImageReady)] == [0, 2]


def test_an_image_carries_the_recipe_that_makes_it_again(bench: Bench) -> None:
    (image,) = bench.run("red, 2: green\nblue", (2,), width=80).of(ImageReady)
    recipe = pnginfo.read(image.png)
    assert recipe is not None
    assert (recipe["seed"], recipe["num_images"], recipe["index"]) == (7, 1, 2)
    assert (image.width, image.height, recipe["job_id"]) == (80, 64, JOB)
    assert Image.open(BytesIO(image.thumbnail)).size == (40, 32)
    own = {key: recipe[key] for key in recipe if key not in ("job_id", "index", "software")}
    model = own.pop("model")
    (again,) = bench.run(own.pop("prompt"), (0,), model=model, **own).of(ImageReady)
    assert (pixels(again) == pixels(image)).all()


def test_a_resident_model_is_not_loaded_again(bench: Bench) -> None:
    bench.runner.load(LoadModel("colours", weights_at()))
    assert bench.messages == [ModelState("colours", "loading"), ModelState("colours", "loaded")]
    bench.run()
    assert not bench.of(ModelState)
    assert PhaseChanged("loading") not in bench.messages


def test_other_weights_take_its_place_and_another_model_comes_beside_it(bench: Bench) -> None:
    bench.run()
    bench.run(weights="/elsewhere")
    assert [state.state for state in bench.of(ModelState)] == ["unloaded", "loading", "loaded"]
    bench.run(model="colours-four-step")
    assert bench.of(ModelState) == [
        ModelState("colours-four-step", "loading"),
        ModelState("colours-four-step", "loaded"),
    ]
    bench.run(weights="/elsewhere")
    assert bench.of(ModelState) == [], "it had stayed"


def test_unloading_is_told_whether_or_not_the_model_was_resident(bench: Bench) -> None:
    bench.run()
    bench.messages.clear()
    for model in ("colours", "colours", "colours-four-step"):
        bench.runner.unload(UnloadModel(model))
    assert [message.model for message in bench.of(ModelState)] == [
        "colours",
        "colours",
        "colours-four-step",
    ]
    assert {message.state for message in bench.of(ModelState)} == {"unloaded"}
    assert PhaseChanged("loading") in bench.run().messages


def test_cancelling_ends_within_the_step_and_keeps_finished_images(bench: Bench) -> None:
    def cancel(message: WorkerMessage) -> None:
        if message == StepDone(1, 1, 2):
            bench.runner.cancel(JOB, 1)

    bench.react = cancel
    bench.run(indices=(0, 1, 2))
    assert bench.of(StepDone)[-1] == StepDone(1, 1, 2)
    assert [image.image_index for image in bench.of(ImageReady)] == [0]
    assert bench.last == TaskCancelled()


def test_a_cancel_that_comes_before_the_first_step(bench: Bench) -> None:
    bench.runner.cancel(JOB, 1)
    assert isinstance(bench.run().last, TaskCancelled)
    assert not bench.of(StepDone)


def test_a_cancel_of_another_attempt_or_job_is_nothing(bench: Bench) -> None:
    for job_id, attempt in ((JOB, 1), ("20260101_000000_ffffffff", 2)):
        bench.runner.cancel(job_id, attempt)
        assert isinstance(bench.run(attempt=2).last, TaskFinished)


def test_out_of_memory_is_told_and_the_next_job_runs(bench: Bench) -> None:
    bench.run("out of memory at image 1 at step 2", (0, 1))
    assert isinstance(bench.last, TaskFailed)
    assert (bench.last.code, bench.last.fault) == ("out_of_memory", None)
    assert [image.image_index for image in bench.of(ImageReady)] == [0]
    assert isinstance(bench.run().last, TaskFinished)
    assert not bench.of(ModelState)


def test_an_exception_is_the_jobs_error_and_the_plugins_fault(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.run("raise at image 1", (0, 1))
    text = "RuntimeError: asked to raise"
    assert bench.last == TaskFailed("generation_failed", text, f"Generating raised {text}")
    assert [image.image_index for image in bench.of(ImageReady)] == [0]
    assert "in _misbehave" in caplog.text  # the traceback
    assert isinstance(bench.run().last, TaskFinished)


def test_parameters_that_this_family_does_not_take_fail_the_task(bench: Bench) -> None:
    bench.run(steps=0)
    assert isinstance(bench.last, TaskFailed)
    assert bench.last.code == "plugin_failed"
    assert "steps" in bench.last.message


def test_a_model_that_nobody_announces_here(bench: Bench) -> None:
    bench.run(model="nobody", family="nobody")
    assert bench.last == TaskFailed("model_load_failed", "No plugin announces the model `nobody`.")
    bench.runner.load(LoadModel("nobody", weights_at()))
    assert isinstance(bench.last, ModelState)
    assert bench.last.state == "failed"


@pytest.mark.parametrize(
    ("plugin", "code", "faulty"),
    [
        ("load_raises", "model_load_failed", False),
        ("load_returns_text", "plugin_failed", True),
        ("load_no_callable", "plugin_failed", True),
    ],
)
def test_a_load_that_breaks_its_promise(
    tmp_path: Path, plugin: str, code: str, faulty: bool
) -> None:
    bench = bench_with(tmp_path / "plugins", GALLERY / f"{plugin}.py", COLOURS)
    model, (family, _) = next(
        (model, found)
        for model, found in discover(tmp_path / "plugins").cards.items()
        if found[0].load.startswith(plugin)
    )
    bench.run(model=model, family=family.name)
    assert isinstance(bench.last, TaskFailed)
    assert (bench.last.code, bench.last.fault is not None) == (code, faulty)
    (_, failed) = bench.of(ModelState)
    assert (failed.state, failed.message) == ("failed", bench.last.message)
    bench.runner.load(LoadModel(model, weights_at()))
    assert bool(bench.of(PluginFault)) == faulty
    assert isinstance(bench.run().last, TaskFinished)


def test_a_wrapper_is_called_and_blamed_for_what_it_spoils(tmp_path: Path) -> None:
    marked = bench_with(tmp_path / "marked", COLOURS, WATERMARK).run()
    plain = Bench(discover(PLUGINS)).run()
    (with_mark,), (without,) = marked.of(ImageReady), plain.of(ImageReady)
    assert (pixels(with_mark) != pixels(without)).any()
    spoiled = bench_with(tmp_path / "spoiled", COLOURS, GALLERY / "wrapper_spoils.py").run()
    assert isinstance(spoiled.last, TaskFailed)
    assert spoiled.last.fault is None
    assert [fault.provider for fault in spoiled.of(PluginFault)] == ["wrapper_spoils"]


def test_a_close_that_raises_keeps_no_model_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def close(_pipeline: object) -> None:
        raise RuntimeError("stuck")

    bench.run()
    with monkeypatch.context() as patch:
        patch.setattr(type(bench.runner._models._residents["colours"].pipeline), "close", close)
        bench.run(weights="/elsewhere")
    assert isinstance(bench.last, TaskFinished)
    assert "Closing the model colours failed" in caplog.text


def test_a_preview_that_cannot_be_made_fails_no_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = bench_with(tmp_path / "plugins", NOISY)
    for _ in range(2):
        bench.run(model="noisy", family="noisy")
        assert isinstance(bench.last, TaskFinished)
    messages = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert messages == ["No more previews for this job"] * 2
    assert not bench.of(PreviewReady)


@pytest.mark.parametrize("step", ["np.int64(step)", "step"])
def test_steps_may_be_numpys_integers(step: str, tmp_path: Path) -> None:
    bench = bench_with(counting(tmp_path, step))
    steps = [m for m in bench.run(model="counting", family="counting").messages if _is_step(m)]
    assert [(type(m.step), m.step) for m in steps] == [(int, 1), (int, 2)]


@pytest.mark.parametrize("step", ["step * 3", "0", "0.5", "'one'"])
def test_steps_that_are_none_are_the_plugins_fault(step: str, tmp_path: Path) -> None:
    bench = bench_with(counting(tmp_path, step))
    last = bench.run(model="counting", family="counting").messages[-1]
    assert isinstance(last, TaskFailed) and last.code == "plugin_failed"
    assert "on_step" in last.message and last.fault is not None


def _is_step(message: WorkerMessage) -> bool:
    return isinstance(message, StepDone)


def counting(folder: Path, step: str) -> Path:
    """A folder with a family that reports its steps as `step` says."""
    (folder / f"counting_{abs(hash(step))}.py").write_text(COUNTING.format(step=step))
    return folder


COUNTING = """
import sys

import numpy as np
from PIL import Image

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl


class Pipeline:
    def generate(self, task, on_step):
        for _ in task.indices:
            for step in (1, 2):
                on_step({step}, 2)
            yield Image.new("RGB", (task.params.width, task.params.height))

    def close(self):
        pass


def load(card, context):
    return Pipeline()


@hookimpl
def register_model_families():
    card = ModelCard(id="counting", title="Counting", source="/weights")
    load_here = __name__ + ":load"
    return [ModelFamily("counting", "Counting", GenerationParams, load_here, (card,))]
"""
