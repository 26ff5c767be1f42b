"""What plugin authors import.

A model family is a package with one function::

    from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

    @hookimpl
    def register_model_families():
        return [ModelFamily(...)]

See `docs/how-to/write-a-model-plugin.md`.
"""

from server.errors import ModelLoadFailed
from server.generation import (
    GenerationParams,
    ImageParams,
    ImageToImageParams,
    Integer,
    Number,
    Task,
)
from server.image_sources import ImageLimits, ImageSource
from server.inpainting import InpaintingParams
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
    "ImageParams",
    "ImageSource",
    "ImageToImageParams",
    "InpaintingParams",
    "Integer",
    "LatentFormat",
    "LoadContext",
    "ModelCard",
    "ModelFamily",
    "ModelLoadFailed",
    "NewImage",
    "Number",
    "Pipeline",
    "StepListener",
    "Task",
    "hookimpl",
]
