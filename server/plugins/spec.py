"""The hooks a plugin may implement. `darkroom` re-exports `hookimpl`.

A plugin *announces* typed records; the server picks one by name and *calls* it. A model family
needs only `register_model_families`; `load_model` and `generate` are there to be wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pluggy

from server.plugins.types import Dialect, ModelFamily

if TYPE_CHECKING:
    from PIL.Image import Image

    from server.generation import ImageParams, Task
    from server.plugins.types import (
        FinishedJob,
        LoadContext,
        ModelCard,
        NewImage,
        Pipeline,
        StepListener,
    )

PROJECT = "darkroom"

#: The hooks that plugins may wrap: the first answer wins, and it passes through every wrapper.
WRAPPABLE = frozenset({"load_model", "generate"})

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_model_families() -> Iterable[ModelFamily]:  # type: ignore[empty-body]
    """Announce model families. Called once at start, in the server and in each worker.

    Import neither torch nor diffusers here: the server only needs the records.
    """


@hookspec
def register_dialects() -> Iterable[Dialect]:  # type: ignore[empty-body]
    """Announce other servers' APIs that this plugin speaks. Called once at start, in the server.

    Import the web framework in the module that `Dialect.build` names, not here: workers import
    plugins too.
    """


@hookspec(firstresult=True)
def load_model(card: ModelCard, context: LoadContext) -> Pipeline | None:
    """Load the model of `card`; the first answer that is not None wins. Called in the worker.

    The server's own answer calls the family's `load`. Wrap it to log, cache or patch.
    """


@hookspec(firstresult=True)
def generate(
    pipeline: Pipeline, task: Task[ImageParams], on_step: StepListener
) -> Iterator[Image] | None:
    """Make the images of `task`, one per `task.indices`; the first answer that is not None wins.

    Called in the worker. The server's own answer calls `pipeline.generate`. A wrapper sees the
    iterator before it is consumed: change images by returning an iterator of your own. Do not
    write an implementation (other than a wrapper) as a generator function: it would answer for
    every family, so it is refused at registration.
    """


@hookspec
def job_finished(job: FinishedJob) -> None:
    """A job ended. Called in the server; what it raises is logged and shown in `/api/info`."""


@hookspec
def image_added(image: NewImage) -> None:
    """An image stands in the gallery. Called in the server, like `job_finished`."""


def hooks() -> dict[str, Any]:
    """Every hook's specification by name, for the manager and the reference."""
    announcing = (register_model_families, register_dialects)
    found = (*announcing, load_model, generate, job_finished, image_added)
    return {hook.__name__: hook for hook in found}
