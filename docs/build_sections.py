"""Writes the generated sections of pages that are otherwise written by hand.

A section stands between `<!-- generated: NAME WORDS… -->` and `<!-- end -->`; `SECTIONS` has the
functions by name, and the words are their arguments. `build_reference.py` runs this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from build_markdown import code, kind, table

from server.catalog import ModelCatalog
from server.config import Settings
from server.model_files import ModelFiles
from server.plugins.manager import discover
from server.plugins.types import ModelCard, ModelFamily
from server.quantization import PACKAGES, refusal
from server.worker.estimate import Estimate
from server.worker.memory import Memory
from server.worker.offload import MODES, decide, needed

DOCS = Path(__file__).resolve().parent

SECTION = re.compile(r"(<!-- generated: ([\w .-]+?) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Ways of holding weights that tables of memory show, and their words there.
HELD: Mapping[str | None, str] = {
    None: "`bfloat16`",
    "int8": "`int8`, `int8-torchao`, `fp8`",
    "nf4": "`nf4`",
}

#: GPUs that tables show, in GiB, all of it free; and the machine's own free memory.
GPUS = (8, 12, 16, 24, 80)
HOST = 64 * 2**30

EDGE = 1024

#: Quantization and offload mode, with or without a LoRA, that a test runs.
TESTED = {
    (way, mode, lora)
    for way in ("int8-torchao", "fp8", "gguf")
    for mode in MODES
    for lora in (False, True)
}


def pages() -> list[Path]:
    """The pages that have generated sections."""
    return [page for page in sorted(DOCS.rglob("*.md")) if SECTION.search(page.read_text("utf-8"))]


def rewritten(page: Path) -> str:
    """A page's text with its sections as the code would write them now."""

    def section(found: re.Match[str]) -> str:
        name, *words = found[2].split()
        return f"{found[1]}\n{SECTIONS[name](*words)}\n\n{found[3]}"

    return SECTION.sub(section, page.read_text(encoding="utf-8"))


@cache
def catalog() -> ModelCatalog:
    """The models as they come, whatever is configured on this machine."""
    return ModelCatalog(discover(), ModelFiles(Settings()))


def cards(family: str) -> list[tuple[ModelFamily, ModelCard]]:
    """A family's models."""
    return [found for found in catalog().cards() if found[0].name == family]


def models(family: str) -> str:
    """A family's models: names, sources, licences, sizes."""
    rows = [
        [
            code((card.id, *card.aliases)),
            card.description,
            f"`{card.source}`",
            card.license,
            f"{card.size_bytes / 10**9:.1f} GB",
        ]
        for _, card in cards(family)
    ]
    return table(["Names", "What it is", "Weights from", "Licence", "Files"], rows)


def sizes(family: str) -> str:
    """The sizes that a family is good at."""
    ratios = cards(family)[0][0].aspect_ratios
    return table(list(ratios), [[f"{width} × {height}" for width, height in ratios.values()]])


def parameters(family: str) -> str:
    """A table of parameters for each group of a family's models that differ in their defaults
    only."""
    groups: dict[str, list[str]] = {}
    for _, card in cards(family):
        groups.setdefault(json.dumps(_undefaulted(card.id), sort_keys=True), []).append(card.id)
    tables = (_parameters(names) for names in groups.values())
    if len(groups) == 1:
        return "".join(tables)
    return "\n\n".join(
        f"For {code(names)}:\n\n{shown}"
        for names, shown in zip(groups.values(), tables, strict=True)
    )


def _properties(model: str) -> dict[str, dict[str, Any]]:
    found = catalog().schema(model)["properties"]
    return {word: described for word, described in found.items() if word != "model"}


def _undefaulted(model: str) -> dict[str, Any]:
    return {word: {**described, "default": None} for word, described in _properties(model).items()}


def _parameters(names: list[str]) -> str:
    root = catalog().schema(names[0])
    rows = [
        [f"`{word}`", kind(described, root), _defaults(word, names), described["description"]]
        for word, described in _properties(names[0]).items()
    ]
    return table(["Parameter", "Type", "Default", "Meaning"], rows)


def _defaults(word: str, names: list[str]) -> str:
    """The default, and behind it that of models that have another."""
    found = {name: _default(_properties(name)[word]) for name in names}
    usual = found[names[0]]
    others = (f"{value} for `{name}`" for name, value in found.items() if value != usual)
    return ", ".join([usual, *others])


def _default(described: Mapping[str, Any]) -> str:
    return f"`{json.dumps(described['default'])}`" if "default" in described else "required"


def samplers(family: str) -> str:
    """What each sampler of a family is in diffusers."""
    from server.worker.samplers import FLOW_SAMPLERS, SAMPLERS

    offered = _properties(cards(family)[0][1].id)["sampler"]
    names = offered.get("enum") or [offered["const"]]
    known = FLOW_SAMPLERS if set(names) <= FLOW_SAMPLERS.keys() else SAMPLERS
    rows = [
        [f"`{name}`", f"`{known[name].scheduler}`", _arguments(known[name].arguments)]
        for name in names
    ]
    return table(["Sampler", "Scheduler of diffusers", "With"], rows)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return code(f"{name}={value!r}" for name, value in arguments.items())


def memory(family: str) -> str:
    """What a family's models are estimated to need on the device, by offload mode."""

    def cells(estimate: Estimate, way: str | None) -> list[str]:
        return [
            "–" if _impossible(way, mode) else _gib(needed(estimate, mode, tiled=False))
            for mode in MODES
        ]

    return table(["Model", "Weights", *(f"`{mode}`" for mode in MODES)], _held([family], cells))


def decisions() -> str:
    """What `auto` chooses for each model on GPUs of some sizes."""
    families = dict.fromkeys(family.name for family, _ in catalog().cards())

    def cells(estimate: Estimate, way: str | None) -> list[str]:
        refused = [mode for mode in MODES if _impossible(way, mode)]
        memories = (Memory(size * 2**30, size * 2**30) for size in GPUS)
        decided = (
            decide(estimate, "cuda", memory, host_free=HOST, without=refused) for memory in memories
        )
        return [f"`{decision.mode}`" for decision in decided]

    return table(["Model", "Weights", *(f"{size} GiB" for size in GPUS)], _held(families, cells))


def _held(
    families: Iterable[str], cells: Callable[[Estimate, str | None], list[str]]
) -> Iterator[list[str]]:
    """A row for each way to hold the weights of each model; models with the same cells share
    rows."""
    import build_sizes

    for family in families:
        groups: dict[str, list[str]] = {}
        for _, card in cards(family):
            if card.id in build_sizes.MODELS:
                estimates = {way: build_sizes.footprint(card.id, way) for way in HELD}
                rows = [
                    [words, *cells(estimates[way].at(EDGE, EDGE), way)]
                    for way, words in HELD.items()
                ]
                groups.setdefault(json.dumps(rows), []).append(card.id)
        for shown, names in groups.items():
            yield from ([code(names), *row] for row in json.loads(shown))


def _impossible(way: str | None, mode: str) -> bool:
    return refusal(way, offload=mode, device="cuda") is not None


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def quantizations() -> str:
    """Which quantization goes with which offload mode, without and with a LoRA."""
    rows = [
        [f"`{way}`", "with" if lora else "without", *_cells(way, lora)]
        for way in PACKAGES
        for lora in (False, True)
    ]
    return table(["Quantization", "LoRA", *(f"`{mode}`" for mode in MODES)], rows)


def _cells(way: str, lora: bool) -> Iterator[str]:
    for mode in MODES:
        reason = refusal(way, offload=mode, device="cuda")
        if reason is not None:
            yield f"no: {reason.partition(': ')[2].removesuffix('.')}"
        else:
            yield "works" if (way, mode, lora) in TESTED else "untested"


SECTIONS: Mapping[str, Callable[..., str]] = {
    "models": models,
    "parameters": parameters,
    "sizes": sizes,
    "samplers": samplers,
    "memory": memory,
    "decisions": decisions,
    "quantizations": quantizations,
}
