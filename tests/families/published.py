"""What the page of each model says, in our words for requests and in diffusers' for calls.

Copied by hand from the models' own cards and the diffusers documentation, so that it is a second
opinion beside the families: nothing here is read from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The weights of the bundled model, which no small pipeline stands in for.
BUNDLED = Path(__file__).parents[2] / "model_plugins" / "postcard" / "weights"

#: Diffusers' names of our words; the others are the same.
WORDS = {"steps": "num_inference_steps", "cfg_scale": "guidance_scale"}
#: What is no argument of a pipeline.
OUTSIDE = ("sampler", "seed", "num_images")

EULER = ("euler",)
POSTCARD_SAMPLERS = ("euler", "euler_a", "dpm++_2m", "ddim")
SD3_SAMPLERS = ("euler", "heun")
SDXL_SAMPLERS = (
    "euler",
    "euler_a",
    "dpm++_2m",
    "dpm++_2m_sde",
    "dpm++_sde",
    "ddim",
    "heun",
    "lms",
    "uni_pc",
    "euler_karras",
    "dpm++_2m_karras",
    "dpm++_2m_sde_karras",
    "dpm++_sde_karras",
    "heun_karras",
    "lms_karras",
    "uni_pc_karras",
)


@dataclass(frozen=True)
class Model:
    """A published model.

    `defaults` are the words that a request may leave out, beside its size and seed; `always` are
    the arguments of diffusers that no word of a request sets.
    """

    family: str
    defaults: Mapping[str, Any]
    always: Mapping[str, Any] = field(default_factory=dict)
    samplers: tuple[str, ...] = EULER

    def arguments(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a plain call of diffusers for a request, besides sampler, seed and images."""
        complete = {**self.defaults, **words}
        asked = {word: complete[word] for word in complete if word not in OUTSIDE}
        return {**self.always, **{WORDS.get(word, word): asked[word] for word in asked}}

    def sampler(self, words: Mapping[str, Any]) -> str:
        """The sampler of a request."""
        return str({**self.defaults, **words}["sampler"])


def _sdxl(steps: int, cfg_scale: float) -> Model:
    words = {"steps": steps, "cfg_scale": cfg_scale, "negative_prompt": None, "clip_skip": 0}
    return Model("sdxl", {**words, "sampler": "euler_a"}, samplers=SDXL_SAMPLERS)


def _flux(cfg_scale: float) -> Model:
    words = {"steps": 28, "cfg_scale": cfg_scale, "sampler": "euler"}
    return Model("flux", words, {"max_sequence_length": 512})


def _chroma(steps: int) -> Model:
    words = {"steps": steps, "cfg_scale": 4.0, "negative_prompt": "", "sampler": "euler"}
    return Model("chroma", words, {"max_sequence_length": 512})


def _distilled(
    family: str,
    steps: int,
    *,
    off: float,
    tokens: int,
    samplers: tuple[str, ...] = EULER,
) -> Model:
    """A model of few steps without guidance; `off` is what its page gives diffusers for that."""
    always = {"guidance_scale": off, "max_sequence_length": tokens}
    return Model(family, {"steps": steps, "sampler": "euler"}, always, samplers)


def _sd3(steps: int, cfg_scale: float) -> Model:
    words = {"steps": steps, "cfg_scale": cfg_scale, "negative_prompt": "", "sampler": "euler"}
    return Model("sd3", words, {"max_sequence_length": 256}, SD3_SAMPLERS)


MODELS = {
    "postcard": Model(
        "postcard",
        {"steps": 20, "cfg_scale": 3.0, "negative_prompt": "", "sampler": "euler"},
        samplers=POSTCARD_SAMPLERS,
    ),
    "sdxl-base": _sdxl(25, 7.0),
    "illustrious-xl": _sdxl(28, 6.0),
    "flux-dev": _flux(3.5),
    "flux-schnell": _distilled("flux", 4, off=0.0, tokens=256),
    "flux-krea-dev": _flux(4.5),
    "flux-abliterated": _flux(3.5),
    "chroma-hd": _chroma(28),
    "chroma-base": _chroma(20),
    "chroma-flash": _chroma(4),
    "z-image-turbo": _distilled("z_image", 8, off=0.0, tokens=512),
    "flux-2-klein-4b": _distilled("flux2", 4, off=1.0, tokens=512),
    "flux-2-klein-9b": _distilled("flux2", 4, off=1.0, tokens=512),
    "sd-3.5-large": _sd3(28, 3.5),
    "sd-3.5-medium": _sd3(40, 4.5),
    "sd-3.5-large-turbo": _distilled("sd3", 4, off=0.0, tokens=256, samplers=SD3_SAMPLERS),
}

#: One model of each family.
OF_EACH_FAMILY = tuple(
    next(name for name, model in MODELS.items() if model.family == family)
    for family in dict.fromkeys(model.family for model in MODELS.values())
)
