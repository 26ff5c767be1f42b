"""Keeps one loaded model in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from time import perf_counter

from server.errors import ModelLoadFailed
from server.plugins.manager import PluginManager
from server.plugins.types import LoadContext, ModelCard, ModelFamily, Pipeline
from server.snapshots import ModelState, Weights
from server.worker.device import Device, choose, release_memory

log = logging.getLogger(__name__)


class ModelCache:
    """The resident model; loading another one lets go of it first.

    Not thread-safe: models are loaded on the generation thread.
    """

    def __init__(
        self, plugins: PluginManager, send: Callable[[ModelState], None], device: str
    ) -> None:
        self._plugins = plugins
        self._send = send
        self._wish = device
        self._resident: tuple[str, Weights] | None = None
        self._pipeline: Pipeline | None = None

    @cached_property
    def device(self) -> Device:
        """The device models are loaded to."""
        return choose(self._wish)

    def find(self, model: str) -> tuple[ModelFamily, ModelCard]:
        """A model's family and card.

        Raises:
            ModelLoadFailed: no plugin announces it in this process.
        """
        try:
            return self._plugins.cards[model]
        except KeyError:
            raise ModelLoadFailed(f"No plugin announces the model `{model}`.") from None

    def holds(self, model: str, weights: Weights) -> bool:
        """Whether `model`, loaded from `weights`, is resident."""
        return self._resident == (model, weights)

    def get(self, model: str, weights: Weights) -> Pipeline:
        """The loaded model, from memory or else from `weights`.

        Raises:
            ModelLoadFailed, PluginFailed: see `PluginManager.load_model`.
        """
        if self._pipeline is None or not self.holds(model, weights):
            self.clear()
            self._pipeline = self._load(model, weights)
            self._resident = (model, weights)
        return self._pipeline

    def unload(self, model: str) -> None:
        """Free `model`'s memory, if it is resident."""
        if self._resident is not None and self._resident[0] == model:
            self.clear()
        else:
            self._send(ModelState(model, "unloaded"))

    def clear(self) -> None:
        """Free the resident model's memory, if there is one."""
        if self._pipeline is None or self._resident is None:
            return
        model, _ = self._resident
        try:
            self._pipeline.close()
        except Exception:  # a plugin's close must not keep the next model out
            log.exception("Closing the model %s failed", model)
        self._pipeline = self._resident = None
        release_memory()
        self._send(ModelState(model, "unloaded"))

    def _load(self, model: str, weights: Weights) -> Pipeline:
        self._send(ModelState(model, "loading"))
        began = perf_counter()
        try:
            _, card = self.find(model)
            context = LoadContext(
                path=Path(weights["path"]),
                device=self.device.name,
                dtype=card.dtype or self.device.dtype,
                components={name: Path(path) for name, path in weights["components"].items()},
            )
            pipeline = self._plugins.load_model(card, context)
        except Exception as error:
            self._send(ModelState(model, "failed", str(error)))
            raise
        log.info("Loaded %s on %s in %.2f s", model, context.device, perf_counter() - began)
        self._send(ModelState(model, "loaded"))
        return pipeline
