"""Has a default outside its own bounds."""

from pydantic import Field

from darkroom import GenerationParams, Integer, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


class Params(GenerationParams):
    """Too many steps."""

    steps: Integer = Field(500, ge=1, le=150, description="Denoising steps.")


def load(card, context):
    """Never called."""


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="bad_defaults",
            title="Faulty",
            params=Params,
            load="bad_defaults:load",
            cards=(ModelCard(id="bad_defaults", title="Faulty", source="."),),
        )
    ]
