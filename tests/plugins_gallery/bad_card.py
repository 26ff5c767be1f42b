"""Has one card with a default that its params refuse, and a sound one."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    """Never called."""


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="bad_card",
            title="Faulty",
            params=GenerationParams,
            load="bad_card:load",
            cards=(
                ModelCard(id="bad", title="Bad", source=".", defaults={"steps": 0}),
                ModelCard(id="odd", title="Odd", source=".", fixed={"stepz": 4}),
                ModelCard(id="good", title="Good", source="."),
            ),
        )
    ]
