"""SDXL on a device that runs out of memory when a job's denoiser is called the n-th time (the
numbers in the prompt), or in its first decoding (the word `decoding`).

It imports no torch: that is for the worker, which loads `tight.pipeline`.
"""

from __future__ import annotations

from darkroom import ModelCard, ModelFamily, hookimpl
from model_plugins.sdxl import SDXLParams
from model_plugins.sdxl.lora import SUPPORT


@hookimpl
def register_model_families() -> list[ModelFamily]:
    return [
        ModelFamily(
            name="tight",
            title="Tight",
            params=SDXLParams,
            load="tight.pipeline:load",
            cards=(ModelCard("tight", "Tight", "package:tests/unset"),),
            capabilities=frozenset({"loras"}),
            loras=SUPPORT,
        )
    ]
