"""Its `load` names a function that does not exist."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="load_no_callable",
            title="Faulty",
            params=GenerationParams,
            load="load_no_callable:lode",
            cards=(ModelCard(id="load_no_callable", title="Faulty", source="."),),
        )
    ]
