"""The server's own answers to `load_model` and `generate`, around which plugins wrap theirs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from server.errors import ModelLoadFailed, PluginFailed
from server.generation import Task
from server.plugins.importing import uncollected
from server.plugins.registry import ModelRegistry
from server.plugins.spec import hookimpl
from server.plugins.types import LoadContext, ModelCard, ModelFamily, Pipeline, StepListener

if TYPE_CHECKING:
    from PIL.Image import Image

#: Who promised: a plugin's name for `PluginFailed`, and the words a message begins with.
Promise = tuple[str, str]


class DefaultAnswers:
    """A plugin that comes last: it calls the family's `load` and the pipeline's `generate`."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    @hookimpl(trylast=True)
    def load_model(self, card: ModelCard, context: LoadContext) -> Pipeline:
        """Import the family's `load` and call it."""
        family = self._registry.family_of(card.id)
        if family is None:
            raise ModelLoadFailed(f"No plugin announces the model `{card.id}`.")
        promise = self._registry.provider(family.name), f"`{family.load}` of family `{family.name}`"
        return checked_pipeline(_resolve(family, promise)(card, context), promise)

    @hookimpl(trylast=True)
    def generate(
        self, pipeline: Pipeline, task: Task[Any], on_step: StepListener
    ) -> Iterator[Image]:
        """Let the pipeline generate."""
        promise = self._registry.provider(task.family), f"The pipeline of family `{task.family}`"
        return checked_images(pipeline.generate(task, on_step), task.indices, promise)


def _resolve(family: ModelFamily, promise: Promise) -> Callable[[ModelCard, LoadContext], object]:
    module, _, name = family.load.partition(":")
    with uncollected():
        load = getattr(importlib.import_module(module), name, None)
    if not callable(load):
        raise PluginFailed(
            f"{promise[1]} does not exist: define `{name}` in `{module}`, or correct `load`.",
            provider=promise[0],
        )
    return load  # type: ignore[no-any-return]


def checked_pipeline(pipeline: object, promise: Promise) -> Pipeline:
    """`pipeline`, if it is one.

    Raises:
        PluginFailed: it is not.
    """
    if isinstance(pipeline, Pipeline):
        return pipeline
    provider, who = promise
    raise PluginFailed(
        f"{who} returned {_a(pipeline)} instead of a Pipeline: return an object with "
        "`generate(task, on_step)` and `close()`.",
        provider=provider,
    )


def checked_images(images: object, indices: Iterable[int], promise: Promise) -> Iterator[Image]:
    """Pass on one RGB image per index, each as soon as it is made.

    Raises:
        PluginFailed: there are fewer or more, or something is not an RGB image.
    """
    provider, who = promise
    if not isinstance(images, Iterable):
        raise PluginFailed(
            f"{who} answered {_a(images)}: yield images, or return an iterator of them.",
            provider=provider,
        )
    return _counted(iter(images), tuple(indices), promise)


def _counted(
    images: Iterator[object], indices: tuple[int, ...], promise: Promise
) -> Iterator[Image]:
    provider, who = promise
    end = object()
    for place, _ in enumerate(indices):
        image = next(images, end)
        if image is end:
            raise PluginFailed(
                f"{who} made {place} of {len(indices)} images: yield one per `task.indices`.",
                provider=provider,
            )
        yield _checked_image(image, promise)
    if next(images, end) is not end:
        raise PluginFailed(
            f"{who} made more than {len(indices)} images: yield one per `task.indices`.",
            provider=provider,
        )


def _checked_image(image: object, promise: Promise) -> Image:
    # Here, because the web process imports this module and handles no pixels.
    from PIL.Image import Image

    provider, who = promise
    if not isinstance(image, Image):
        raise PluginFailed(
            f"{who} yielded {_a(image)}: yield PIL images of mode RGB.", provider=provider
        )
    if image.mode != "RGB":
        raise PluginFailed(
            f"{who} yielded an image of mode {image.mode}: convert it to RGB.", provider=provider
        )
    return image


def _a(thing: object) -> str:
    return "nothing" if thing is None else f"an object of type {type(thing).__name__}"
