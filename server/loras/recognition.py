"""Which families a file of weights is a LoRA for, and why none."""

from __future__ import annotations

import hashlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from server import lora_names, lora_tensors, safetensors_header
from server.lora_tensors import DENOISER, LoraTensors, NetworkType, Shape
from server.loras import facts, metadata
from server.plugins.types import LoraSupport, ModelFamily
from server.wording import describe, shortened

#: Told a family's name and a sentence when its plugin is at fault.
FaultListener = Callable[[str, str], None]

#: What gives other kinds of files away: how the names of their tensors begin, and what they are.
_OTHER_KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "a textual-inversion embedding": ("emb_params", "string_to_param", "clip_l", "clip_g"),
        "a ControlNet": ("control_model.", "controlnet_", "control_"),
        "an IP-Adapter": ("ip_adapter.", "image_proj."),
        "a whole checkpoint": (
            *("model.diffusion_model.", "conditioner.", "cond_stage_model.", "double_blocks."),
            *("transformer_blocks.", "down_blocks.", "joint_blocks.", "layers."),
        ),
        "a VAE": ("first_stage_model.", "decoder.", "encoder.", "vae."),
    }
)

#: Modules whose code decides what is read of a header, besides the families' own and the package
#: that these are made with.
_READERS = (lora_names, lora_tensors, safetensors_header, facts, metadata)


class Recognition:
    """Asks the families about files."""

    def __init__(self, families: Mapping[str, ModelFamily], fault: FaultListener) -> None:
        """`families` by name; `fault` is told when one of them raises."""
        self._families = families
        self._fault = fault
        self._fingerprint: str | None = None

    def claims(
        self, shapes: Mapping[str, Shape], metadata: Mapping[str, str]
    ) -> tuple[tuple[str, ...], bool]:
        """The families that take a file for one of theirs, and whether all could be asked.

        Args:
            shapes: the shapes of its tensors by name.
            metadata: its header's texts.
        """
        found: list[str] = []
        all_asked = True
        for name, support in self._supports():
            try:
                if support.recognizes_lora(shapes, metadata):
                    found.append(name)
            except Exception as error:  # noqa: BLE001 - the function is the plugin's
                all_asked = False
                self._fault(name, f"recognizes_lora of `{name}` raised {describe(error)}. Mend it.")
        return tuple(found), all_asked

    def widths(
        self, claims: Iterable[str], shapes: Mapping[str, Shape]
    ) -> tuple[dict[str, int], bool]:
        """The widths of the models that a file is for, by family, and whether all could be asked.

        Args:
            claims: the families that recognise it.
            shapes: the shapes of its tensors by name.
        """
        found: dict[str, int] = {}
        all_asked = True
        for name, support in self._supports():
            if name not in claims or support.width is None:
                continue
            try:
                told = support.width(shapes)
                width = None if told is None else operator.index(told)
            except Exception as error:  # noqa: BLE001 - the function is the plugin's
                all_asked = False
                self._fault(name, f"width of `{name}` raised {describe(error)}. Mend it.")
            else:
                found |= {} if width is None else {name: width}
        return found, all_asked

    def fingerprint(self) -> str:
        """64 digits that change with the families and with the code that recognises files, as it
        was when they were first asked for: other code that is installed later does not run yet."""
        if self._fingerprint is None:
            self._fingerprint = self._compute_fingerprint()
        return self._fingerprint

    def _compute_fingerprint(self) -> str:
        digest = hashlib.sha256(Path(__file__).read_bytes())
        of_authors = sorted(name for name in sys.modules if f"{name}.".startswith("darkroom."))
        for module in (*(module.__name__ for module in _READERS), *of_authors):
            digest.update(_source(module))
        for name, support in self._supports():
            digest.update(f"{name} {support.names!r} {support.base_models!r}".encode())
            for asked in (support.recognizes_lora, support.width):
                digest.update(_source(getattr(asked, "__module__", "")))
        return digest.hexdigest()

    def decide(
        self, claims: Iterable[str], base_models: Iterable[str]
    ) -> tuple[str | None, str | None]:
        """The family of a file, or else why it has none.

        Args:
            claims: the families that recognise it.
            base_models: what sources say it was trained on, the most trusted first. The first of
                them that is known decides between several families, and refuses a single one that
                it does not belong to.
        """
        here = [name for name in claims if name in self._families]
        told = list(base_models)
        meant = ((base, self._meant(base)) for base in told)
        base, owners = next(
            ((base, owners) for base, owners in meant if owners is not None), (None, None)
        )
        left = here if owners is None else [name for name in here if name in owners]
        if len(left) == 1:
            return left[0], None
        names = " and ".join(f"`{name}`" for name in here)
        if here and base is not None and not left:
            said = f"its metadata say that it is for {shortened(base)}"
            return None, f"Its layers fit {names}, but {said}."
        hint = f" Its metadata say that it is for {shortened(told[0])}." if told else ""
        if here:
            return None, f"Its layers fit several model families: {names}.{hint}"
        return None, f"No model family here knows its layers.{hint}"

    def _meant(self, base_model: str) -> frozenset[str] | None:
        """The families that a base model belongs to: those that know most of its name. Empty: it is
        known to be of no family; None: it is not known."""
        name, known = base_model.casefold(), []
        for family, support in self._supports():
            known += [(word, {family}) for word in support.base_models if name.startswith(word)]
            known += [(word, set()) for word in support.relatives if name.startswith(word)]
        longest = max((len(word) for word, _ in known), default=0)
        owners = (owner for word, owner in known if len(word) == longest)
        return frozenset().union(*owners) if longest else None

    def _supports(self) -> list[tuple[str, LoraSupport]]:
        return [
            (name, family.loras)
            for name, family in self._families.items()
            if family.loras is not None
        ]


def network_of(tensors: LoraTensors) -> NetworkType | None:
    """The network type of a file: that of its complete modules, since the others are left out when
    it is applied, unless those are the most."""
    complete = _complete(tensors)
    most_are_incomplete = 2 * len(complete.modules) < len(tensors.modules)
    return NetworkType.INCOMPLETE if most_are_incomplete else complete.network


def fault_of(tensors: LoraTensors, shapes: Mapping[str, Shape]) -> str | None:
    """Why no model can use a file, whatever the families say; None where one may.

    Args:
        tensors: what `server.lora_tensors.read` makes of it.
        shapes: the shapes of its tensors by name.
    """
    network = network_of(tensors)
    if network is None:
        return f"It is no LoRA but {kind_of(shapes)}."
    if network is NetworkType.INCOMPLETE:
        return "Most of its layers lack a part: the file is damaged, or of an unknown type."
    if not network.supported:
        return (
            f"Its network type `{network}` cannot be applied; `lora`, `locon`, `loha`, `lokr` and "
            "`dora` can."
        )
    if DENOISER not in _complete(tensors).parts:
        return "It changes text encoders only, and nothing of what makes the image."
    return None


def _complete(tensors: LoraTensors) -> LoraTensors:
    """A file's modules that lack no part."""
    modules = (module for module in tensors.modules if module.network != NetworkType.INCOMPLETE)
    return LoraTensors(tuple(modules))


def kind_of(shapes: Mapping[str, Shape]) -> str:
    """What a file is that is no LoRA, for a sentence.

    Args:
        shapes: the shapes of its tensors by name.
    """
    for kind, beginnings in _OTHER_KINDS.items():
        if any(name.startswith(beginnings) for name in shapes):
            return kind
    return "something else: it has no tensors of a LoRA" if shapes else "an empty file"


def _source(module: str) -> bytes:
    """A module's source, or what there is instead."""
    loaded = sys.modules.get(module)
    try:
        file = inspect.getsourcefile(loaded) if loaded is not None else None
        return Path(file).read_bytes() if file is not None else module.encode()
    except (OSError, TypeError):
        return module.encode()
