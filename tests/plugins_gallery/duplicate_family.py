"""Announces a family whose name `colours` is taken by then."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    """Never called."""


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="colours",
            title="Faulty",
            params=GenerationParams,
            load="duplicate_family:load",
            cards=(ModelCard(id="other-colours", title="Faulty", source="."),),
        )
    ]
