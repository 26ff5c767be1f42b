"""The pipeline that runs out of memory where its prompt says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from PIL.Image import Image

from darkroom import LoadContext, ModelCard, StepListener, Task
from model_plugins.sdxl.pipeline import SDXLPipeline
from model_plugins.sdxl.pipeline import load as load_sdxl


class TightPipeline(SDXLPipeline):
    """Counts the denoiser's calls by job."""

    def __init__(self, pipe: Any) -> None:
        super().__init__(pipe)
        self._calls: Counter[str] = Counter()
        self._task: Task[Any] | None = None
        pipe.unet.register_forward_pre_hook(self._count)
        pipe.vae.decoder.register_forward_pre_hook(self._decode)

    def generate(self, task: Task[Any], on_step: StepListener) -> Iterator[Image]:
        self._task = task
        return super().generate(task, on_step)

    def _decode(self, _module: Any, _arguments: Any) -> None:
        assert self._task is not None
        key = f"{self._task.job_id} decoded"
        self._calls[key] += 1
        if self._calls[key] == 1 and "decoding" in self._task.params.prompt:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def _count(self, _module: Any, _arguments: Any) -> None:
        assert self._task is not None
        self._calls[self._task.job_id] += 1
        if str(self._calls[self._task.job_id]) in re.findall(r"\d+", self._task.params.prompt):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def load(card: ModelCard, context: LoadContext) -> TightPipeline:
    return TightPipeline(load_sdxl(card, context)._pipe)
