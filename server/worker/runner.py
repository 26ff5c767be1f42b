"""Runs tasks one by one: loads the model, makes the images, reports every step.

Imports no torch: the inline executor runs this in the server's process for tests.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from time import perf_counter
from typing import Any

from PIL.Image import Image

from server import pnginfo
from server.errors import OutOfMemory, PluginFailed
from server.generation import Task, recipe
from server.plugins.manager import PluginManager
from server.plugins.types import LoraMatch, Pipeline
from server.snapshots import (
    ImageReady,
    LoadModel,
    LorasApplied,
    PhaseChanged,
    PluginFault,
    RunTask,
    StepDone,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
    TaskStarted,
    TaskWarned,
    UnloadModel,
    WorkerMessage,
)
from server.worker import lora_use
from server.worker.cache import ModelCache
from server.worker.device import release_memory
from server.worker.encode import png, thumbnail, warm_up
from server.worker.failures import failure
from server.worker.options import WorkerOptions
from server.worker.preview import Previewer

log = logging.getLogger(__name__)

Send = Callable[[WorkerMessage], None]


class Cancelled(BaseException):
    """Ends a task from inside its step. Not an `Exception`, so that no pipeline swallows it."""


class Runner:
    """Executes a worker's commands. `run`, `load`, `unload` and `close` belong to one thread, the
    generation thread; `cancel` may be called from any."""

    def __init__(
        self, plugins: PluginManager, send: Send, previewer: Previewer, options: WorkerOptions
    ) -> None:
        """
        Args:
            plugins: the families, announced in this process.
            send: takes every message; called from several threads, must not block.
            previewer: makes the previews and sends them itself.
            options: the worker's settings.
        """
        self._plugins = plugins
        self._send = send
        self._previewer = previewer
        self._models = ModelCache(plugins, send, options)
        self._lora_memory = options.lora_memory
        self._cancelled: tuple[str, int] | None = None
        # One thread for the whole life: starting one costs the generation thread milliseconds.
        self._encoders = ThreadPoolExecutor(1, "encode")
        self._encoders.submit(warm_up)

    def cancel(self, job_id: str, attempt: int) -> None:
        """Stop this attempt after its current step, or before it begins."""
        self._cancelled = (job_id, attempt)

    def load(self, command: LoadModel) -> None:
        """Make a model resident; a failure is told as its `ModelState`."""
        was_there = self._models.holds(command.model, command.weights)
        try:
            self._models.get(command.model, command.weights)
            if was_there:
                self._models.tell(command.model)  # whoever asked waits for this word
        except Exception as error:
            log.exception("Loading %s failed", command.model)
            if isinstance(error, PluginFailed):
                family, _ = self._models.find(command.model)
                self._send(PluginFault(self._plugins.culprit(error, family.name), error.message))
            release_memory()

    def unload(self, command: UnloadModel) -> None:
        """Free a model's memory."""
        self._models.unload(command.model)

    def close(self) -> None:
        """Let go of everything."""
        self._encoders.shutdown()
        self._models.clear()

    def run(self, command: RunTask) -> None:
        """Run a task; whatever happens, its last message is sent."""
        self._send(TaskStarted(command.task["job_id"], command.attempt))
        made: set[int] = set()
        last = self._outcome(command, made)
        # Only now: the exception's frames held the tensors.
        if _lacked_memory(last) and self._relieved(command):
            last = self._outcome(command, made)
        if isinstance(last, TaskFailed) and _lacked_memory(last):
            shortage = self._models.shortage(command.task["model"])
            last = replace(last, message=f"{last.message} {shortage}".strip())
            release_memory()
        self._send(last)

    def _outcome(self, command: RunTask, made: set[int]) -> TaskMessage:
        """Make the images that are not in `made`, and add them; the task's last message."""
        try:
            return self._attempt(command, made)
        except Cancelled:
            return TaskCancelled()
        except (Exception, SystemExit) as error:
            log.exception("Job %s failed", command.task["job_id"])
            return self._failure(error, command.task["family"])
        finally:
            self._previewer.end_image()

    def _relieved(self, command: RunTask) -> bool:
        """After memory ran out: whether another try has a chance."""
        if not self._models.relieve(command.task["model"]):
            return False
        log.warning("Memory ran out in job %s; it is tried once more", command.task["job_id"])
        return True

    def _attempt(self, command: RunTask, made: set[int]) -> TaskFinished:
        self._send(PhaseChanged("preparing"))
        family, card = self._models.find(command.task["model"])
        task = Task.from_wire(command.task, family.params_of(card))
        task = replace(task, indices=tuple(index for index in task.indices if index not in made))
        if not task.indices:
            return TaskFinished()
        check = self._check(task, command.attempt)
        attempt = _Attempt(task, self._send, self._previewer, check, made)
        if not self._models.holds(task.model, command.weights):
            self._send(PhaseChanged("loading"))
        pipeline = self._models.get(task.model, command.weights, task.params.image_size)
        if remark := self._models.remark(task.model):
            attempt.warn(remark)
        self._previewer.begin(family.latent_format)
        try:
            with lora_use.applied(pipeline, task, self._lora_memory) as matches:
                attempt.note_loras(matches)
                self._make(attempt, pipeline)
            self._send(PhaseChanged("saving"))
        finally:
            attempt.wait()  # finished images are sent whatever happened to the next
        return attempt.finished()

    def _make(self, attempt: _Attempt, pipeline: Pipeline) -> None:
        indices = attempt.task.indices
        attempt.begin(indices[0])
        images = self._plugins.generate(pipeline, attempt.task, attempt)
        for place, image in enumerate(images, start=1):
            attempt.hand_over(image, self._encoders)
            if place < len(indices):
                attempt.begin(indices[place])

    def _check(self, task: Task[Any], attempt: int) -> Callable[[], None]:
        """What the step listener calls: raises once the attempt is cancelled."""
        key = (task.job_id, attempt)

        def check() -> None:
            if self._cancelled == key:
                raise Cancelled

        return check

    def _failure(self, error: BaseException, family: str) -> TaskMessage:
        """The task's last message; a fault of another plugin than the family's is told apart."""
        failed = failure(error)
        if failed.fault is None or family not in self._plugins.families:
            return failed
        culprit = self._plugins.culprit(error, family)
        if culprit == self._plugins.provider(family):
            return failed
        self._send(PluginFault(culprit, failed.fault))
        return replace(failed, fault=None)


class _Attempt:
    """One attempt at one task: which image is being made, and what the reporting costs."""

    def __init__(
        self,
        task: Task[Any],
        send: Send,
        previewer: Previewer,
        check: Callable[[], None],
        made: set[int],
    ) -> None:
        self.task = task
        self._send = send
        self._previewer = previewer
        self._check = check
        self._made = made
        self._index = 0
        self._began = 0.0
        self._host_seconds = {"steps": 0.0, "images": 0.0}
        self._encoded: list[Future[None]] = []

    def begin(self, index: int) -> None:
        """Image `index` is the next one."""
        self._check()
        self._index = index
        self._began = perf_counter()
        self._send(PhaseChanged("generating", index))

    def __call__(self, step: int, total_steps: int, latents: Any = None) -> None:
        """See `StepListener`."""
        entered = perf_counter()
        self._check()
        self._send(_step_done(self._index, step, total_steps))
        self._previewer.offer(self._index, latents)
        self._host_seconds["steps"] += perf_counter() - entered

    def warn(self, message: str) -> None:
        """See `StepListener`."""
        self._send(TaskWarned(str(message)))

    def note_loras(self, matches: Sequence[LoraMatch]) -> None:
        """Tell what became of the task's LoRAs; its recipes tell it too."""
        if not matches:
            return
        reports = [lora_use.report(match) for match in matches]
        self.task = self.task.with_lora_reports(reports)
        self._send(LorasApplied(reports))
        for match in matches:
            for text in lora_use.warnings(match):
                self.warn(text)

    def hand_over(self, image: Image, encoders: ThreadPoolExecutor) -> None:
        """The running image is made: the rest happens off the generation thread."""
        entered = perf_counter()
        self._previewer.end_image()
        seconds = entered - self._began
        self._encoded.append(encoders.submit(self._deliver, image, self._index, seconds))
        self._host_seconds["images"] += perf_counter() - entered

    def wait(self) -> None:
        """Wait until the images handed over so far are sent."""
        wait(self._encoded)

    def finished(self) -> TaskFinished:
        """The task's last message. Raises what an encoder raised."""
        for encoded in self._encoded:
            encoded.result()
        return TaskFinished(self._host_seconds)

    def _deliver(self, image: Image, index: int, seconds: float) -> None:
        document = pnginfo.document(recipe(self.task, index), self.task.job_id, index)
        width, height = image.size
        self._send(
            ImageReady(
                image_index=index,
                width=width,
                height=height,
                seconds=seconds,
                png=png(image, document),
                thumbnail=thumbnail(image),
            )
        )
        self._made.add(index)


def _lacked_memory(last: TaskMessage) -> bool:
    return isinstance(last, TaskFailed) and last.code == OutOfMemory.code


def _step_done(image_index: int, step: int, total_steps: int) -> StepDone:
    """What a pipeline reports, as plain numbers: it may count with numpy's or torch's.

    Raises:
        PluginFailed: it is no step of that many.
    """
    try:
        step, total_steps = operator.index(step), operator.index(total_steps)
    except TypeError as error:
        raise PluginFailed(f"`on_step` takes two integers: {error}") from error
    if not 1 <= step <= total_steps:
        raise PluginFailed(f"`on_step` was told step {step} of {total_steps}; count from 1.")
    return StepDone(image_index, step, total_steps)
