"""From a job to the task that a worker is given, with the files that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from server.catalog import ModelCatalog
from server.errors import StorageFailed
from server.generation import ImageParams, LoraRef, Task
from server.inputs import InputImages
from server.lora_errors import LoraMissing
from server.records import Job

#: Where the file of the LoRA with an id, and with contents of this AutoV3 if that is known, lies,
#: if it does.
LoraPath = Callable[[str, str | None], Awaitable[Path | None]]


class Orders:
    """Writes the tasks of jobs."""

    def __init__(self, catalog: ModelCatalog, inputs: InputImages, lora_path: LoraPath) -> None:
        self._catalog = catalog
        self._inputs = inputs
        self._lora_path = lora_path

    async def task(self, job: Job) -> Task[ImageParams]:
        """The task of a job: its images that are still missing.

        Raises:
            PluginFailed: its family is not installed any more, or no longer takes its parameters.
            StorageFailed: an image that came with the request is gone.
            LoraMissing: the file of a LoRA is.
        """
        task = self._catalog.task(job)
        return replace(
            task,
            inputs=tuple(map(self._input, task.params.image_sources)),
            lora_files=tuple([await self._lora_file(ref) for ref in task.loras]),
        )

    def _input(self, name: str) -> Path:
        path = self._inputs.path(name)
        if path is None:
            raise StorageFailed(f"The given image {name} is not there any more.")
        return path

    async def _lora_file(self, ref: LoraRef) -> Path:
        path = await self._lora_path(ref.id, ref.autov3)
        if path is None:
            raise LoraMissing(
                f"The file of the LoRA {ref.id} is gone since the request was accepted. Put it "
                "back, or send the request again without it."
            )
        return path
