"""Models besides the published ones that `tiny_server` offers: published ones in narrow
floating-point types, and checkpoints of SDXL unlike the published one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.families.build import STAND_INS
from tests.families.published import OF_EACH_FAMILY

TYPES = ("bfloat16", "float16")
#: A model of each family, which is offered as `MODEL-TYPE` too.
IN_NARROW_TYPES = tuple(model for model in OF_EACH_FAMILY if model in STAND_INS)

#: What the checkpoints' own schedulers say, other than the published one.
SCHEDULERS: dict[str, dict[str, Any]] = {
    "karras": {"use_karras_sigmas": True},
    "third-order": {
        **{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3},
        **{"algorithm_type": "dpmsolver++", "use_beta_sigmas": True},
    },
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}
CHECKPOINTS = (*SCHEDULERS, "odd")

#: All of them, by their names.
VARIANTS = {f"{model}-{dtype}" for model in IN_NARROW_TYPES for dtype in TYPES} | set(CHECKPOINTS)


def write_checkpoints(published: Path, root: Path) -> dict[str, Path]:
    """Write the checkpoints into `root`; their folders by their names."""
    for name, changes in SCHEDULERS.items():
        _with_scheduler(published, root / name, changes)
    _with_channels(root / "odd", 8)
    return {name: root / name for name in CHECKPOINTS}


def entries(tiny: Callable[[str], Path], checkpoints: dict[str, Path]) -> str:
    """What `darkroom.toml` says of all of them."""
    narrow = [
        f'[[models]]\nid = "{model}-{dtype}"\nlike = "{model}"\n'
        f'source = "{tiny(STAND_INS[model])}"\ndtype = "{dtype}"\n'
        for model in IN_NARROW_TYPES
        for dtype in TYPES
    ]
    others = [
        f'[[models]]\nid = "{name}"\nfamily = "sdxl"\nsource = "{folder}"\n'
        for name, folder in checkpoints.items()
    ]
    return "\n".join([*narrow, *others])


def _with_scheduler(published: Path, folder: Path, changes: dict[str, Any]) -> None:
    """A copy of a checkpoint with other words in its scheduler's configuration."""
    shutil.copytree(published, folder)
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))
    if "_class_name" in changes:
        index = folder / "model_index.json"
        words = json.loads(index.read_text())
        words["scheduler"] = ["diffusers", changes["_class_name"]]
        index.write_text(json.dumps(words))


def _with_channels(folder: Path, channels: int) -> None:
    """A checkpoint with another autoencoder than its family's."""
    from diffusers import UNet2DConditionModel

    from tests.families.tiny import autoencoder, sdxl
    from tests.families.tiny.weights import draw

    pipe = sdxl.pipeline("odd")
    config = {word: value for word, value in pipe.unet.config.items() if word[0] != "_"}
    latents = {"in_channels": channels, "out_channels": channels}
    unet = draw(UNet2DConditionModel(**{**config, **latents}), "odd/unet")
    vae = autoencoder.kl("odd/vae", channels, scaling=0.13025, quant=True)
    parts = {**pipe.components, "unet": unet, "vae": vae}
    type(pipe)(**parts, add_watermarker=False).save_pretrained(folder)
