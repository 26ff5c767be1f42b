"""The embedded model in its smallest form: tiny pictures in few steps, whatever is asked for."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from darkroom import Integer, ModelFamily, hookimpl
from model_plugins import postcard


class QuickParams(postcard.PostcardParams):
    """Tiny pictures in few steps."""

    width: Integer = Field(64, ge=64, le=64, multiple_of=16, description="Width in pixels.")
    height: Integer = Field(64, ge=64, le=64, multiple_of=16, description="Height in pixels.")
    steps: Integer = Field(3, ge=3, le=3, description="Denoising steps.")


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the embedded model a second time."""
    [family] = postcard.register_model_families()
    card = replace(family.cards[0], id="quick", title="Quick")
    changed = {"name": "quick", "title": "Quick", "params": QuickParams, "cards": (card,)}
    return [replace(family, **changed)]
