"""The worker as a process: its protocol, its end, its patience. Without torch, so it is quick."""

from __future__ import annotations

import signal
from pathlib import Path

from server.snapshots import (
    CancelTask,
    DeviceMemory,
    ImageReady,
    LoadModel,
    ModelState,
    PreviewReady,
    StepDone,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    UnloadModel,
)
from tests.support import PLUGINS, fill_folder, weights_at
from tests.unit.worker.processes import JOB, task, worker

COLOURS = {"plugin_folder": str(PLUGINS)}
NOISY = Path(__file__).parent / "noisy.py"

#: A plugin that lets the worker find less memory at each look.
SHRINKING = """
from itertools import count
from server.worker import memory
free = count(10**9, -1)
memory.of_device = lambda name: memory.Memory(next(free), 10**9)
"""

#: Seconds after which a worker that should have ended counts as stuck.
PATIENCE = 60


def test_commands_run_in_order_and_failures_do_not_end_the_worker() -> None:
    with worker(**COLOURS) as process:
        assert (process.ready.pid, process.ready.device) == (process.process.pid, "cpu")
        process.send(LoadModel("colours", weights_at()))
        process.send(task("colours", prompt="raise"))
        assert isinstance(process.until(TaskFailed)[-1], TaskFailed)
        assert isinstance(process.run(task("colours", num_images=2))[-1], TaskFinished)
        process.send(UnloadModel("colours"))
        told = process.until(ModelState)
        assert told[-1] == ModelState("colours", "unloaded")
        assert {type(message) for message in told[:-1]} <= {DeviceMemory}, "the job has ended"


def test_what_is_free_is_told_when_a_model_came_or_went_and_a_command_ended(
    tmp_path: Path,
) -> None:
    folder = fill_folder(tmp_path / "plugins", *PLUGINS.glob("*.py"))
    (folder / "shrinking.py").write_text(SHRINKING)
    with worker(plugin_folder=str(folder), keep_alive=0) as process:
        process.send(LoadModel("colours", weights_at()))
        loading, loaded, *memory = (process.next() for _ in range(4))
        assert isinstance(loading, ModelState) and isinstance(loaded, ModelState)
        assert [type(message) for message in memory] == [DeviceMemory, DeviceMemory]
        process.run(task("colours"))
        rest = process.rest()
    assert [type(message) for message in rest] == [DeviceMemory, ModelState, DeviceMemory]


def test_what_a_plugin_prints_is_a_log_line_and_not_the_protocol(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "plugins", NOISY)
    with worker(plugin_folder=str(folder), keep_alive=0, preview_interval=0) as process:
        messages = process.run(task("noisy"))
        assert isinstance(messages[-1], TaskFinished)
        assert [type(message) for message in messages].count(ImageReady) == 1
        assert PreviewReady not in {type(message) for message in messages}
        process.rest()
        log = process.stderr.read().decode()
    assert {"noisy is imported", "a step", "a step by descriptor", "closed"} <= set(
        log.splitlines()
    )


def test_a_worker_whose_server_died_ends_in_mid_step() -> None:
    with worker(**COLOURS) as process:
        process.send(task("colours", delay=60.0))
        process.until(ModelState)
        process.stdin.close()
        assert process.process.wait(PATIENCE / 2) == 0


def test_nonsense_on_its_input_ends_the_worker() -> None:
    with worker(**COLOURS) as process:
        process.stdin.write(b"\0\0\0\2\0\0\0\0{}")
        process.stdin.flush()
        assert process.process.wait(PATIENCE) == 0
        assert b"not a message" in process.stderr.read()


def test_a_cancel_arrives_in_mid_task_and_interrupts_from_a_terminal_do_not() -> None:
    with worker(**COLOURS) as process:
        process.process.send_signal(signal.SIGINT)
        process.send(task("colours", steps=150, delay=0.2))
        process.until(StepDone)
        process.send(CancelTask(JOB, 1))
        messages = process.until(TaskCancelled)
        assert len([message for message in messages if isinstance(message, StepDone)]) < 50
        process.process.send_signal(signal.SIGINT)
        assert isinstance(process.run(task("colours", attempt=2))[-1], TaskFinished)


def test_keep_alive_zero_ends_the_worker_after_its_first_job() -> None:
    with worker(**COLOURS, keep_alive=0) as process:
        process.send(LoadModel("colours", weights_at()))
        assert process.until(ModelState)[-1] == ModelState("colours", "loading")
        assert process.until(ModelState)[-1] == ModelState("colours", "loaded")
        assert isinstance(process.run(task("colours"))[-1], TaskFinished)
        assert ModelState("colours", "unloaded") in process.rest()
        assert process.process.wait(PATIENCE) == 0


def test_an_idle_worker_ends_after_its_patience() -> None:
    with worker(**COLOURS, keep_alive=0.1) as process:
        assert process.rest() == []
        assert process.process.wait(PATIENCE) == 0


def test_previews_that_are_off_are_off(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "plugins", NOISY)
    with worker(plugin_folder=str(folder), keep_alive=0, preview_interval=-1) as process:
        assert isinstance(process.run(task("noisy"))[-1], TaskFinished)
        process.rest()
        assert b"No more previews" not in process.stderr.read()
