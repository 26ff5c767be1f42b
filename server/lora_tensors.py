"""What a LoRA file changes, read from the names and shapes of its tensors alone; no torch.

A tensor's name says three things: which part of the pipeline, which module of it, and which role
the tensor plays there. Every trainer writes them in its own way (kohya's sd-scripts, peft and
diffusers, LyCORIS, ComfyUI, OneTrainer); here they become the same words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

Shape = tuple[int, ...]

#: The part that makes the image, as opposed to the text encoders `te1`, `te2`, `te3`.
DENOISER = "denoiser"


class NetworkType(StrEnum):
    """How a file describes the change of a module's weights W.

    lora: W + B·A. locon: the same for convolutions. loha: products of two such, element by element.
    lokr: a Kronecker product. dora: B·A, and a new length for each row or column of the sum
    (arXiv:2402.09353). The others are told apart only to say why they are not supported.
    """

    LORA = "lora"
    LOCON = "locon"
    LOHA = "loha"
    LOKR = "lokr"
    DORA = "dora"
    OFT = "oft"
    IA3 = "ia3"
    GLORA = "glora"
    FULL = "full"
    INCOMPLETE = "incomplete"

    @property
    def supported(self) -> bool:
        """Whether such modules can be applied."""
        return self in _SUPPORTED


_SUPPORTED = frozenset(
    {NetworkType.LORA, NetworkType.LOCON, NetworkType.LOHA, NetworkType.LOKR, NetworkType.DORA}
)

#: The role of each ending, and the network type that it alone gives away.
_ROLES: Mapping[str, str] = {
    **dict.fromkeys(("lora_down", "lora_A", "lora.down", "lora_linear_layer.down"), "down"),
    **dict.fromkeys(("lora_up", "lora_B", "lora.up", "lora_linear_layer.up"), "up"),
    "lora_mid": "mid",
    "alpha": "alpha",
    "dora_scale": "magnitude",
    "lora_magnitude_vector": "magnitude",
    **{name: name for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")},
    **{name: name for name in ("hada_t1", "hada_t2", "lokr_t2", "lokr_w1", "lokr_w2")},
    **{name: name for name in ("lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b")},
    **dict.fromkeys(("oft_blocks", "oft_diag", "oft_R", "oft_r"), "oft"),
    "on_input": "ia3",
    **dict.fromkeys(("a1", "a2", "b1", "b2"), "glora"),
    **dict.fromkeys(("diff", "diff_b", "set_weight", "w_norm", "b_norm"), "full"),
}
_STRANGE = {
    "oft": NetworkType.OFT,
    "ia3": NetworkType.IA3,
    "glora": NetworkType.GLORA,
    "full": NetworkType.FULL,
}

#: A role that such an ending has only with `.weight` behind it: `b1` alone may be a module.
_WITH_WEIGHT = frozenset({"a1", "a2", "b1", "b2"})

_ENDING = re.compile(
    r"(?P<module>.+)\.(?P<word>"
    + "|".join(re.escape(name) for name in sorted(_ROLES, key=len, reverse=True))
    # peft may put the adapter's own name between the role and `weight`.
    + r")(?:\.(?!weight$|bias$)[A-Za-z0-9_-]+)?(?P<end>\.weight|\.bias)?"
)

#: diffusers' oldest form: the role hangs on the attention's processor.
_PROCESSOR = re.compile(
    r"(?P<module>.+)\.processor\.(?P<layer>to_q|to_k|to_v|to_out)_lora\.(?P<word>down|up)\.weight"
)

#: XLabs' form: the processor has a layer of its own for what it wraps.
_WRAPPED = re.compile(
    r"(?P<module>.+\.processor\.(?:qkv|proj)_lora[12]?)\.(?P<word>down|up)\.weight"
)

#: What stands before a module's name, and the part it means. The first that fits is taken.
_PREFIXES = (
    (re.compile(r"lora_te(?P<number>[123]?)_"), "te"),
    (re.compile(r"(?:lora_unet|lora_transformer|lycoris)_"), DENOISER),
    (re.compile(r"text_encoders\.clip_l\.transformer\."), "te1"),
    (re.compile(r"text_encoders\.clip_g\.transformer\."), "te2"),
    (re.compile(r"text_encoders\.t5xxl\.transformer\."), "te3"),
    (re.compile(r"(?:base_model\.model\.)?text_encoder(?:_(?P<number>[23]))?\."), "te"),
    (
        re.compile(
            r"(?:base_model\.model\.)?(?:unet|transformer|(?:model\.)?diffusion_model)\."
            r"|base_model\.model\."
        ),
        DENOISER,
    ),
)


@dataclass(frozen=True, slots=True)
class LoraModule:
    """The tensors that a file has for one module.

    Attributes:
        part: `DENOISER`, `te1`, `te2` or `te3`.
        name: the module's name as the file writes it, without what says its part; with dots, or
            with `_` in place of them.
        keys: the names of its tensors by role.
        shapes: their shapes by role.
    """

    part: str
    name: str
    keys: Mapping[str, str]
    shapes: Mapping[str, Shape]

    @property
    def network(self) -> NetworkType:
        """How the module's new weights are described: `change`, or DoRA on top of any change."""
        change = self.change
        return NetworkType.DORA if "magnitude" in self.shapes and change.supported else change

    @property
    def change(self) -> NetworkType:
        """How ΔW is described, lengths left aside."""
        roles = self.shapes.keys()
        for role, network in _STRANGE.items():
            if role in roles:
                return network
        if {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= roles:
            return NetworkType.LOHA
        if _has_factor(roles, "lokr_w1") and _has_factor(roles, "lokr_w2"):
            return NetworkType.LOKR
        if not {"down", "up"} <= roles:
            return NetworkType.INCOMPLETE
        down = self.shapes["down"]
        return NetworkType.LOCON if "mid" in roles or len(down) > 2 else NetworkType.LORA

    @property
    def rank(self) -> int | None:
        """The rank r of its matrices; None where there is none."""
        role = next((role for role in _RANK_FIRST if self.shapes.get(role)), None)
        return None if role is None else self.shapes[role][0]

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows (outputs) and columns (inputs) of the weights it fits; None: its tensors do not fit
        each other, or nothing is known of their kind."""
        measure = _SIZES.get(self.change)
        size = None if measure is None else measure(self.shapes)
        fits = size is not None and min(size) > 0 and _is_single(self.shapes.get("alpha", ()))
        return size if fits and _lengths_fit(self.shapes.get("magnitude"), size) else None


@dataclass(frozen=True)
class LoraTensors:
    """A whole file.

    Attributes:
        modules: what it changes.
        strange: names of tensors that play no known role.
    """

    modules: tuple[LoraModule, ...]
    strange: tuple[str, ...] = field(default=())

    @cached_property
    def network(self) -> NetworkType | None:
        """The one word for the whole file: the least supported of its modules', then the most
        peculiar; None where nothing is a LoRA's."""
        found = {module.network for module in self.modules}
        return next((network for network in _BY_PECULIARITY if network in found), None)

    @cached_property
    def rank(self) -> int | None:
        """The rank that most of its modules have."""
        ranks = Counter(module.rank for module in self.modules if module.rank is not None)
        return ranks.most_common(1)[0][0] if ranks else None

    @property
    def parts(self) -> frozenset[str]:
        """The parts of the pipeline that it changes."""
        return frozenset(module.part for module in self.modules)


#: Roles that change nothing without others beside them.
_BESIDE = frozenset({"alpha", "magnitude"})

_RANK_FIRST = ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b")

_BY_PECULIARITY = (
    NetworkType.OFT,
    NetworkType.IA3,
    NetworkType.GLORA,
    NetworkType.FULL,
    NetworkType.INCOMPLETE,
    NetworkType.DORA,
    NetworkType.LOKR,
    NetworkType.LOHA,
    NetworkType.LOCON,
    NetworkType.LORA,
)


def read(shapes: Mapping[str, Shape]) -> LoraTensors:
    """Sort a file's tensors by module.

    Args:
        shapes: the shapes of all its tensors by name.
    """
    keys: dict[tuple[str, str], dict[str, str]] = {}
    strange = []
    for key in shapes:
        found = _split(key)
        if found is None:
            strange.append(key)
            continue
        module, role = found
        own = keys.setdefault(_part(module), {})
        if role in own and role not in _STRANGE:  # of two adapters in one file the first counts
            strange.append(key)
        else:
            own[role] = key
    modules = []
    for (part, name), own in keys.items():
        if own.keys() <= _BESIDE:
            strange += own.values()
        else:
            module_shapes = {role: shapes[key] for role, key in own.items()}
            modules.append(LoraModule(part, name, own, module_shapes))
    return LoraTensors(tuple(modules), tuple(strange))


def _split(key: str) -> tuple[str, str] | None:
    """The module, its prefix included, and the tensor's role; None: it is no LoRA's."""
    if found := _PROCESSOR.fullmatch(key):
        layer = "to_out.0" if found["layer"] == "to_out" else found["layer"]
        return f"{found['module']}.{layer}", found["word"]
    if found := _WRAPPED.fullmatch(key):
        return found["module"], found["word"]
    found = _ENDING.fullmatch(key)
    if found is None:
        return None
    word = found["word"]
    if word in _WITH_WEIGHT and found["end"] != ".weight":
        return None
    # A bias changes more than B·A does.
    return found["module"], "full" if found["end"] == ".bias" else _ROLES[word]


def _part(module: str) -> tuple[str, str]:
    for prefix, part in _PREFIXES:
        if found := prefix.match(module):
            encoder = f"te{found['number'] or 1}" if part == "te" else part
            return encoder, module[found.end() :]
    return DENOISER, module


def _has_factor(roles: Collection[str], name: str) -> bool:
    return name in roles or (f"{name}_a" in roles and f"{name}_b" in roles)


def _low_rank(shapes: Mapping[str, Shape]) -> tuple[int, int] | None:
    down, up, mid = shapes["down"], shapes["up"], shapes.get("mid")
    if not {len(down), len(up)} <= {2, 4} or not down[0] == up[1] > 0 or set(up[2:]) > {1}:
        return None
    if mid is not None and (mid[:2] != (down[0], down[0]) or len(mid) != 4 or set(down[2:]) > {1}):
        return None
    return up[0], down[1]


def _hadamard(shapes: Mapping[str, Shape]) -> tuple[int, int] | None:
    sizes = {_product(shapes, f"hada_w{number}", f"hada_t{number}") for number in "12"}
    return sizes.pop() if len(sizes) == 1 else None


def _kronecker(shapes: Mapping[str, Shape]) -> tuple[int, int] | None:
    first, second = (_factor(shapes, number) for number in "12")
    if first is None or second is None:
        return None
    return first[0] * second[0], first[1] * second[1]


def _factor(shapes: Mapping[str, Shape], number: str) -> tuple[int, int] | None:
    """Rows and columns of a factor of a Kronecker product, whole or itself a product."""
    whole = shapes.get(f"lokr_w{number}")
    if whole is None:
        return _product(shapes, f"lokr_w{number}", f"lokr_t{number}")
    return (whole[0], whole[1]) if len(whole) in (2, 4) else None


def _product(shapes: Mapping[str, Shape], name: str, core_name: str) -> tuple[int, int] | None:
    """Rows and columns of a product of two matrices, with a core between them in Tucker's form."""
    rows, columns, core = shapes[f"{name}_a"], shapes[f"{name}_b"], shapes.get(core_name)
    if len(rows) != 2 or len(columns) not in (2, 4):
        return None
    if core is not None:
        fits = len(core) == 4 and core[:2] == (rows[0], columns[0])
        return (rows[1], columns[1]) if fits else None
    return (rows[0], columns[1]) if rows[1] == columns[0] > 0 else None


def _is_single(shape: Shape) -> bool:
    return math.prod(shape) == 1


def _lengths_fit(lengths: Shape | None, size: tuple[int, int] | None) -> bool:
    """Whether there is a length for each row, or for each column."""
    return lengths is None or size is None or math.prod(lengths) in size


_SIZES: Mapping[NetworkType, Callable[[Mapping[str, Shape]], tuple[int, int] | None]] = {
    NetworkType.LORA: _low_rank,
    NetworkType.LOCON: _low_rank,
    NetworkType.LOHA: _hadamard,
    NetworkType.LOKR: _kronecker,
}
