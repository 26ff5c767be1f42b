"""Its `load` is not of the form module:callable."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="load_malformed",
            title="Faulty",
            params=GenerationParams,
            load="load_malformed.load",
            cards=(ModelCard(id="load_malformed", title="Faulty", source="."),),
        )
    ]
