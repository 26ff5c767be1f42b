"""Announces a model id, and an alias, that are taken by then, and a free one."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    """Never called."""


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="duplicate_model",
            title="Faulty",
            params=GenerationParams,
            load="duplicate_model:load",
            cards=(
                ModelCard(id="colours", title="Taken id", source="."),
                ModelCard(id="fresh", aliases=("colors",), title="Taken alias", source="."),
                ModelCard(id="free", title="Free", source="."),
            ),
        )
    ]
