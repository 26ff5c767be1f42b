"""Its `load` raises."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    raise OSError("the weights are damaged")


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="load_raises",
            title="Faulty",
            params=GenerationParams,
            load="load_raises:load",
            cards=(ModelCard(id="load_raises", title="Faulty", source="."),),
        )
    ]
