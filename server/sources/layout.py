"""Which files of a repository diffusers would load; pure functions on names.

A pipeline is a folder with `model_index.json`, which names its components, each a subfolder with
a configuration and, for models, weights: `STEM[.VARIANT][-00001-of-00002].safetensors`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.source_errors import SourceMissing, UnsafeFile
from server.sources.formats import PICKLES, WEIGHTS, suffix
from server.sources.manifest import Selection

INDEX = "model_index.json"

#: Configurations, tokenizers, chat templates.
TEXTS = frozenset({".json", ".txt", ".model", ".jinja", ".tiktoken"})

#: The ends of the names of components' classes that have no weights.
_WEIGHTLESS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "Extractor")

#: Names that diffusers and transformers load; the variant stands before or after the shard.
_WEIGHTS_NAME = re.compile(
    r"(?P<stem>diffusion_pytorch_model|model)(?:\.(?P<before>[\w-]+?))?"
    r"(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?(?:\.(?P<after>[\w-]+))?\.safetensors"
)
_INDEX_NAME = re.compile(r"(?P<stem>\w+)\.\w+\.index(?:\.(?P<variant>[\w-]+))?\.json")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files to have, and the one of them to load; "" is the folder itself."""

    files: tuple[str, ...]
    main: str = ""


def choose(names: Collection[str], index: Mapping[str, Any] | None, selection: Selection) -> Chosen:
    """The files of a folder that are loaded.

    Args:
        names: paths relative to the folder.
        index: what its `model_index.json` says; None: it has none.
        selection: which variant and components.

    Raises:
        SourceMissing: there are no weights, or several single files to choose from.
        UnsafeFile: the weights are pickles only.
    """
    if index is not None:
        wanted = components(index, selection)
        if selection.only is not None and not wanted:
            raise SourceMissing(f"the pipeline has no component `{selection.only}`.")
        files = tuple(_of_pipeline(names, wanted, selection))
        return Chosen(files if selection.only is not None else (INDEX, *files))
    here = [name for name in names if "/" not in name]
    if "config.json" in here:
        return Chosen(tuple(of_component(here, None, selection.variant)))
    single = [name for name in here if suffix(name) in WEIGHTS]
    if len(single) == 1:
        return Chosen((single[0],), single[0])
    texts = [name for name in here if name.endswith("_config.json")]
    if texts and not single:
        return Chosen(tuple(name for name in here if suffix(name) in TEXTS))
    raise _nothing_to_choose(names)


def components(index: Mapping[str, Any], selection: Selection) -> dict[str, str]:
    """The components of a pipeline that are wanted: name → class."""
    pairs = {
        name: value[1]
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str)
    }
    return {name: kind for name, kind in pairs.items() if selection.wants(name)}


def of_component(names: Collection[str], kind: str | None, variant: str | None) -> list[str]:
    """The files of one component's folder that are loaded.

    Args:
        names: the folder's files.
        kind: the component's class; None: a model.
        variant: the variant to prefer.

    Raises:
        SourceMissing: weights are missing, or there are only those of other variants.
        UnsafeFile: the weights are pickles only.
    """
    texts = bare(names)
    if kind is not None and kind.endswith(_WEIGHTLESS):
        return texts
    weights = _weights(names, variant)
    if not weights:
        raise _no_weights(names, variant)
    return [*texts, *weights, *_indices(names, weights)]


def bare(names: Collection[str]) -> list[str]:
    """The files of a component's folder that configure it."""
    return [name for name in names if suffix(name) in TEXTS and ".index." not in name]


def is_whole(names: Collection[str], kind: str | None, variant: str | None) -> bool:
    """Whether a component's folder holds enough to be loaded."""
    try:
        files = of_component(names, kind, variant)
    except (SourceMissing, UnsafeFile):
        return False
    sharded = any(_WEIGHTS_NAME.fullmatch(name) and "-of-" in name for name in files)
    has_index = any(".index." in name for name in files)
    return any(suffix(name) == ".json" for name in files) and (has_index or not sharded)


def below(names: Iterable[str], folder: str) -> list[str]:
    """The names in a folder, relative to it; "" is the whole."""
    prefix = f"{folder}/" if folder else ""
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def _of_pipeline(
    names: Collection[str], wanted: Mapping[str, str], selection: Selection
) -> Iterable[str]:
    for component, kind in wanted.items():
        inside = [name for name in below(names, component) if "/" not in name]
        if component in selection.bare:
            yield from (f"{component}/{name}" for name in bare(inside))
            continue
        try:
            files = of_component(inside, kind, selection.variant)
        except (SourceMissing, UnsafeFile) as error:
            raise type(error)(f"Component `{component}`: {error.message}") from error
        yield from (f"{component}/{name}" for name in files)


def _weights(names: Collection[str], variant: str | None) -> list[str]:
    """One complete set of weights: the preferred variant's, else the plain; shards before one."""
    found = [match for name in names if (match := _WEIGHTS_NAME.fullmatch(name))]
    for stem in ("diffusion_pytorch_model", "model"):
        for wish in dict.fromkeys((variant, None)):
            of_set = [match for match in found if match["stem"] == stem and _variant(match) == wish]
            shards = [match for match in of_set if match["number"]]
            if shards and len(shards) == int(shards[0]["count"]):
                return [match[0] for match in shards]
            if whole := [match[0] for match in of_set if not match["number"]]:
                return whole
    return []


def _variant(match: re.Match[str]) -> str | None:
    return match["before"] or match["after"]


def _indices(names: Collection[str], weights: Collection[str]) -> list[str]:
    """The lists of shards that belong to these weights."""
    sets = {
        (match["stem"], _variant(match))
        for name in weights
        if (match := _WEIGHTS_NAME.fullmatch(name)) and match["number"]
    }
    return [
        name
        for name in names
        if ".safetensors.index." in name
        and (match := _INDEX_NAME.fullmatch(name))
        and (match["stem"], match["variant"]) in sets
    ]


def _no_weights(names: Collection[str], variant: str | None) -> SourceMissing | UnsafeFile:
    found = (_WEIGHTS_NAME.fullmatch(name) for name in names)
    variants = sorted({_variant(match) or "plain" for match in found if match} - {variant})
    if variants:
        return SourceMissing(
            f"it has no complete weights, only of variant {', '.join(variants)}. Name the variant."
        )
    return _nothing_to_choose(names)


def _nothing_to_choose(names: Iterable[str]) -> SourceMissing | UnsafeFile:
    names = list(names)
    single = [name for name in names if suffix(name) in WEIGHTS]
    if single:
        return SourceMissing(
            "there is no model in diffusers layout, and several files to choose from. Add one to "
            f"the reference: {', '.join(single[:10])}."
        )
    if any(suffix(name) in PICKLES for name in names):
        return UnsafeFile(
            "its weights are pickles only, which can run any code when they are loaded and are "
            "never used. Look for a copy with .safetensors files."
        )
    return SourceMissing("it has no .safetensors or .gguf file. Check the reference.")
