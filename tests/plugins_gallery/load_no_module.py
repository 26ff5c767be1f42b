"""Its `load` names a module that does not exist."""

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="load_no_module",
            title="Faulty",
            params=GenerationParams,
            load="load_no_module_pipelines:load",
            cards=(ModelCard(id="load_no_module", title="Faulty", source="."),),
        )
    ]
