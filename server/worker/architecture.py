"""What the weights of a family are made of, and which files hold them.

The community keeps weights in single files whose tensors have other names than in diffusers. To
convert a file of another kind fails in the midst, with a word about some tensor; so the names and
shapes in a file's header are looked at first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers.loaders.single_file_utils import (
    CHECKPOINT_KEY_NAMES,
    DIFFUSERS_DEFAULT_PIPELINE_PATHS,
    infer_diffusers_model_type,
)

from server.errors import ModelLoadFailed
from server.worker.tensor_files import Shapes

#: What different tools put before the names of a denoiser's tensors.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "")

#: What diffusers guesses of a file that it does not know at all.
UNKNOWN = "v1"

#: The ends of names in files of 8-bit numbers with their scales apart, which diffusers would drop.
SCALES = ("scaled_fp8", ".scale_weight", ".weight_scale")


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a family's weights are made of.

    Attributes:
        pipeline: the class of the pipeline in `diffusers`.
        denoiser: the class of its denoiser.
        part: the pipeline's name for the denoiser.
        landmarks: tensors of a file in the layout of the model's authors that, together, no other
            kind of model has, without prefix; beside each the tensor of the denoiser's class that
            has its shape. Empty: files are in diffusers' layout only.
        options: more such tensors, of which a file has those that its configuration wants.
        prefix: what diffusers' converter wants before the authors' names.
        whole: tensors that a file has if it holds every part. Empty: files hold the denoiser only.
        large_encoders: the pipeline's names of text encoders that are worth quantizing.
    """

    pipeline: str
    denoiser: str
    part: str = "transformer"
    landmarks: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    whole: tuple[str, ...] = ()
    large_encoders: tuple[str, ...] = ()

    def is_whole(self, tensors: Shapes) -> bool:
        """Whether a file with these tensors holds every part."""
        return bool(self.whole) and all(name in tensors for name in self.whole)

    def denoiser_names(self, path: Path, tensors: Shapes, expected: Shapes) -> dict[str, str]:
        """The tensors of the denoiser in a file, by the names that diffusers can convert.

        Args:
            path: the file.
            tensors: what is in it.
            expected: what the denoiser consists of by its configuration.

        Raises:
            ModelLoadFailed: it is no denoiser of this family, or one of another size.
        """
        for prefix in PREFIXES:
            names = {name.removeprefix(prefix) for name in tensors if name.startswith(prefix)}
            if self.landmarks and names >= self.landmarks.keys():
                _check_sizes(path, tensors, expected, prefix, {**self.landmarks, **self.options})
                return {prefix + name: self.prefix + name for name in names}
            if _alike(names, expected):
                _check_sizes(path, tensors, expected, prefix, {n: n for n in names | set(expected)})
                return {prefix + name: name for name in expected}
        raise ModelLoadFailed(
            f"{path.name} is not a checkpoint of this family: it looks like {resemblance(tensors)}."
        )


def resemblance(tensors: Shapes) -> str:
    """What a file with these tensors looks like, to end a sentence with."""
    if any(".lora_" in name for name in tensors):
        return "a LoRA"
    empty = {name: torch.empty(shape, device="meta") for name, shape in tensors.items()}
    kind = infer_diffusers_model_type(empty)
    if kind == UNKNOWN and CHECKPOINT_KEY_NAMES[UNKNOWN] not in tensors:
        return f"something else, with tensors like {', '.join(sorted(tensors)[:3]) or 'none'}"
    return str(DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]["pretrained_model_name_or_path"])


def check_readable(path: Path, tensors: Shapes) -> None:
    """Refuse files whose numbers diffusers would take for others.

    Raises:
        ModelLoadFailed: it is such a file.
    """
    if any(name.endswith(SCALES) for name in tensors):
        raise ModelLoadFailed(
            f"{path.name} stores 8-bit numbers and their scales apart, which diffusers does not "
            "read. Take the file in bfloat16 and set a quantization, or a GGUF file."
        )


def _alike(names: Collection[str], expected: Shapes) -> bool:
    """Whether these are names of the same kind of model, whatever its number of layers.

    Kinds share many names; the models of one differ in few, as those of an optional input.
    """
    theirs, ours = (
        {re.sub(r"\.\d+\.", ".*.", name) for name in each} for each in (names, expected)
    )
    return len(theirs ^ ours) < 0.2 * len(theirs | ours)


def _check_sizes(
    path: Path, tensors: Shapes, expected: Shapes, prefix: str, pairs: Mapping[str, str]
) -> None:
    for name, counterpart in pairs.items():
        found, wanted = tensors.get(prefix + name), expected.get(counterpart)
        if found != wanted:
            raise ModelLoadFailed(
                f"{path.name} is a model of this family, but of another size than its "
                f"configuration says: `{name}` is {_size(found)}, not {_size(wanted)}. Use the "
                "configuration of the model it was made from."
            )


def _size(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " × ".join(map(str, shape))
