"""Its `load` returns something that is not a Pipeline."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    return "a pipeline"


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="load_returns_text",
            title="Faulty",
            params=GenerationParams,
            load="load_returns_text:load",
            cards=(ModelCard(id="load_returns_text", title="Faulty", source="."),),
        )
    ]
