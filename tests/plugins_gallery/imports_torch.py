"""Imports torch when it is announced."""

import torch

from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

__version__ = "9.8.7"


def load(card, context):
    return torch.nn.Identity()


@hookimpl
def register_model_families():
    return [
        ModelFamily(
            name="imports_torch",
            title="Faulty",
            params=GenerationParams,
            load="imports_torch:load",
            cards=(ModelCard(id="imports_torch", title="Faulty", source="."),),
        )
    ]
