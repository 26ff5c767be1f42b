"""What a family says about LoRAs: `from darkroom import loras`.

A family that takes them announces `ModelFamily.loras`, a `LoraSupport`; its params also derive from
`LoraParams`; and what it loads fulfils `TakesLoras`, as `DiffusersPipeline` does with `lora_names`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from server.generation import LoraParams, LoraRef
from server.lora_names import LoraNames, Proportions, Recognized, Target, each, recognize
from server.lora_tensors import Shape
from server.plugins.types import LoraFile, LoraMatch, LoraSupport, TakesLoras

__all__ = [
    "NARROW",
    "LoraFile",
    "LoraMatch",
    "LoraNames",
    "LoraParams",
    "LoraRef",
    "LoraSupport",
    "Proportions",
    "Recognized",
    "Shape",
    "TakesLoras",
    "Target",
    "each",
    "is_said",
    "recognize",
    "together",
    "width_among",
]

#: Narrower models are toys, made for tests: what is known of the published ones does not hold.
NARROW = 256

#: Where files say what they were trained on: sd-scripts, the ModelSpec standard, and others.
_BASE_WORDS = ("ss_base_model_version", "modelspec.architecture", "base_model")


def is_said(metadata: Mapping[str, str], beginnings: Iterable[str]) -> bool:
    """Whether a file says that it was trained on a model whose name begins so.

    Args:
        metadata: the file's texts.
        beginnings: in lower case.
    """
    said = (metadata.get(word, "").strip().lower() for word in _BASE_WORDS)
    return any(name.startswith(tuple(beginnings)) for name in said)


def together(block: str, layers: Iterable[str]) -> tuple[str, ...]:
    """The names of several layers of a block, which others have in one.

    Args:
        block: our name of the block.
        layers: our layers, in the order of their rows.
    """
    return tuple(f"{block}.{layer}" for layer in layers)


def width_among(
    names: LoraNames,
    proportions: Proportions,
    widths: Container[int],
    shapes: Mapping[str, Shape],
) -> int | None:
    """The width of the published model that a file is for; None: it is for none of `widths`.

    Args:
        names: the family's.
        proportions: see `Recognized.width`.
        widths: those of its published models.
        shapes: the shapes of the file's tensors by name.
    """
    found = recognize(names, shapes)
    width = None if found is None else found.width(proportions)
    return width if width in widths else None
