"""Its `params` is not a GenerationParams."""

from pydantic import BaseModel

from darkroom import ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


class Params(BaseModel):
    """Of the wrong kind."""

    prompt: str


def load(card, context):
    """Never called."""


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="params_not_params",
            title="Faulty",
            params=Params,
            load="params_not_params:load",
            cards=(ModelCard(id="params_not_params", title="Faulty", source="."),),
        )
    ]
