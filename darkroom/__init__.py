"""What plugin authors import.

A model family is a package with one function::

    from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

    @hookimpl
    def register_model_families():
        return [ModelFamily(...)]

See `docs/how-to/write-a-model-plugin.md`.
"""

from server.generation import (
    GenerationParams,
    ImageLimits,
    ImageSource,
    ImageToImageParams,
    Integer,
    Number,
    Task,
)
from server.plugins.spec import hookimpl
from server.plugins.types import (
    FinishedJob,
    LatentFormat,
    LoadContext,
    ModelCard,
    ModelFamily,
    NewImage,
    Pipeline,
    StepListener,
)

__all__ = [
    "FinishedJob",
    "GenerationParams",
    "ImageLimits",
    "ImageSource",
    "ImageToImageParams",
    "Integer",
    "LatentFormat",
    "LoadContext",
    "ModelCard",
    "ModelFamily",
    "NewImage",
    "Number",
    "Pipeline",
    "StepListener",
    "Task",
    "hookimpl",
]
