"""From the names that trainers have for modules to those of the loaded model; no torch.

A family says its modules' names, and other people's names for them, as templates::

    LoraNames(
        own=("blocks.{}.attn.to_q", "blocks.{}.attn.to_k", "blocks.{}.attn.to_v"),
        others={"layers.{}.qkv": ("blocks.{}.attn.to_q", "blocks.{}.attn.to_k", …)},
    )

`{}` stands for a number; the numbers of a name are put into what it means, in their order. Since
kohya's files have `_` in place of dots, the two are taken as the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import TypeAlias

from server.lora_tensors import DENOISER, LoraTensors, Shape, read

#: Templates and their targets by what they have in common with a name, see `_outline`.
_Table: TypeAlias = "dict[tuple[str, ...], list[tuple[tuple[str, ...], Target]]]"

_SIGN = re.compile(r"[._]")
_HOLE = "{}"


@dataclass(frozen=True, slots=True)
class Target:
    """The modules of the loaded model that a name means.

    Attributes:
        modules: their names; where there are several, the rows of what the name stands for are
            theirs, one module's after the other's.
        halves_swapped: where its rows are a shift and a scale alone, twice as many as its columns,
            these two come the other way round.
    """

    modules: tuple[str, ...]
    halves_swapped: bool = False

    def swaps(self, size: tuple[int, int]) -> bool:
        """Whether the halves of so many rows, of so many columns, come the other way round."""
        return self.halves_swapped and size[0] == 2 * size[1]


@dataclass(frozen=True)
class LoraNames:
    """The names of the modules of a family's denoiser, and of its text encoders.

    Attributes:
        own: templates of the names that its modules have once they are loaded.
        others: other people's templates, and what each means: one template of `own`, several, or a
            `Target`.
        text_encoders: the pipeline's names of the encoders that files call `te1`, `te2`, `te3`.
    """

    own: tuple[str, ...]
    others: Mapping[str, str | tuple[str, ...] | Target] = field(
        default_factory=lambda: MappingProxyType({})
    )
    text_encoders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    _table: _Table = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        meanings = [
            *((name, Target((name,))) for name in self.own),
            *((name, _target(meant)) for name, meant in self.others.items()),
        ]
        for template, target in meanings:
            words = _words(template)
            self._table.setdefault(_outline(words), []).append((words, target))

    def resolve(self, name: str) -> Target | None:
        """The modules of the denoiser that a name means; None: it is not known."""
        found = self._find(name)
        if found is None:
            return None
        target, numbers = found
        modules = tuple(_filled(module, numbers) for module in target.modules)
        return Target(modules, target.halves_swapped)

    def template(self, module: str) -> str:
        """The template of `own` that a module of the loaded model has its name of.

        Raises:
            ValueError: it has none of them.
        """
        own = self._own(module)
        if own is None:
            raise ValueError(f"{module} is none of the family's own modules")
        return own

    def strangers(self) -> set[str]:
        """The names of `others` that mean something else than modules of `own`, or more numbers
        than they have."""
        return {
            name
            for name, meant in self.others.items()
            for module in _target(meant).modules
            if self._own(module) is None or module.count(_HOLE) > name.count(_HOLE)
        }

    def _own(self, module: str) -> str | None:
        """The template of `own` that a name, or a template with some numbers, has."""
        words = _words(module)
        for template, target in self._table.get(_outline(words), ()):
            means_itself = tuple(_words(name) for name in target.modules) == (template,)
            if means_itself and _agree(template, words):
                return target.modules[0]
        return None

    def _find(self, name: str) -> tuple[Target, list[str]] | None:
        words = tuple(_SIGN.split(name))
        for template, target in self._table.get(_outline(words), ()):
            if _agree(template, words):
                holes = zip(template, words, strict=True)
                return target, [word for wanted, word in holes if wanted == _HOLE]
        return None


#: How many widths of the model the rows and the columns of modules are, by template of `own`. Rows
#: that are no whole number are rounded down.
Proportions: TypeAlias = Mapping[str, tuple[int | Fraction, int]]


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a file's names and shapes say to a family.

    Attributes:
        known: how many of its modules in the denoiser have names that the family knows.
        total: how many modules in the denoiser it has.
        parts: the text encoders that it changes, as files call them.
        modules: the modules of the loaded denoiser that it changes.
        sizes: the sizes (rows, columns) of its modules by the templates of `own` that their names
            mean: several where a name means several modules.
    """

    known: int
    total: int
    parts: frozenset[str]
    modules: frozenset[str]
    sizes: Mapping[tuple[str, ...], frozenset[tuple[int, int]]]

    def highest(self, blocks: str) -> int:
        """The highest number right behind the word `blocks` in names of modules; −1: there is
        none."""
        pattern = re.compile(rf"(?:^|\.){re.escape(blocks)}\.(\d+)")
        found = [pattern.search(module) for module in self.modules]
        return max((int(match[1]) for match in found if match is not None), default=-1)

    def inputs(self, ending: str) -> frozenset[int]:
        """The columns of all modules whose names end so."""
        return frozenset(
            columns
            for templates, sizes in self.sizes.items()
            for _, columns in sizes
            if any(template.endswith(ending) for template in templates)
        )

    def width(self, proportions: Proportions) -> int | None:
        """The one width of the model that the sizes of all modules with proportions say; None: they
        say none, or do not agree."""
        told = {
            _width(size, [proportions[template] for template in templates])
            for templates, sizes in self.sizes.items()
            for size in sizes
            if all(template in proportions for template in templates)
        }
        return told.pop() if len(told) == 1 else None


def _width(size: tuple[int, int], each_part: Sequence[tuple[int | Fraction, int]]) -> int | None:
    """The width that a size says of a module, or of several in one; None: it says none."""
    width, rest = divmod(size[1], each_part[0][1])
    rows = sum(int(width * part) for part, _ in each_part)
    return width if rest == 0 and rows == size[0] else None


#: The share of a file's modules that a family must know: some trainers add a few of their own.
MOST = 0.9


def recognize(names: LoraNames, shapes: Mapping[str, Shape]) -> Recognized | None:
    """Read a file with a family's names.

    Args:
        names: the family's.
        shapes: the shapes of all tensors of the file by name.

    Returns:
        What it says; None if it changes nothing of the denoiser, less than `MOST` of its modules
        there are known, or it changes a text encoder that the family has not.
    """
    tensors = read(shapes)
    found = _recognized(names, tensors)
    encoders = tensors.parts - {DENOISER}
    is_ours = found.known > 0 and found.known >= MOST * found.total
    return found if is_ours and encoders <= names.text_encoders.keys() else None


def _recognized(names: LoraNames, tensors: LoraTensors) -> Recognized:
    modules: set[str] = set()
    sizes: dict[tuple[str, ...], set[tuple[int, int]]] = {}
    known = total = 0
    for module in tensors.modules:
        if module.part != DENOISER:
            continue
        total += 1
        target = names.resolve(module.name)
        if target is None:
            continue
        known += 1
        modules.update(target.modules)
        if module.size is not None and target.modules:
            templates = tuple(names.template(name) for name in target.modules)
            sizes.setdefault(templates, set()).add(module.size)
    return Recognized(
        known,
        total,
        tensors.parts - {DENOISER},
        frozenset(modules),
        {templates: frozenset(found) for templates, found in sizes.items()},
    )


def each(prefixes: Mapping[str, str], layers: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """A table of others' names of blocks times one of their layers.

    Args:
        prefixes: others' names of blocks, and ours.
        layers: names of layers within a block; a mapping where ours differ from theirs.
    """
    pairs = layers.items() if isinstance(layers, Mapping) else ((name, name) for name in layers)
    within = list(pairs)
    return {
        f"{theirs}.{layer}": f"{ours}.{own}"
        for theirs, ours in prefixes.items()
        for layer, own in within
    }


def _target(meant: str | tuple[str, ...] | Target) -> Target:
    if isinstance(meant, Target):
        return meant
    return Target((meant,) if isinstance(meant, str) else meant)


def _words(template: str) -> tuple[str, ...]:
    return tuple(_SIGN.split(template))


def _agree(template: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words of the template's outline are its."""
    return all(wanted in (_HOLE, word) for wanted, word in zip(template, words, strict=True))


def _outline(words: Iterable[str]) -> tuple[str, ...]:
    """The words with every number blanked out: what names of one template have in common."""
    return tuple(_HOLE if word == _HOLE or _is_number(word) else word for word in words)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _filled(template: str, numbers: list[str]) -> str:
    for number in numbers:
        template = template.replace(_HOLE, number, 1)
    return template
