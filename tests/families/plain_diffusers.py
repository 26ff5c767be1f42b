"""The reference: diffusers called as its documentation says. It imports nothing of ours."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image, ImageOps

#: What makes an image of an image, by the class that makes one of a text alone.
IMAGE_TO_IMAGE = {
    "StableDiffusionXLPipeline": diffusers.StableDiffusionXLImg2ImgPipeline,
    "StableDiffusion3Pipeline": diffusers.StableDiffusion3Img2ImgPipeline,
    "FluxPipeline": diffusers.FluxImg2ImgPipeline,
    "ChromaPipeline": diffusers.ChromaImg2ImgPipeline,
    "ZImagePipeline": diffusers.ZImageImg2ImgPipeline,
    # Its text-to-image pipeline takes images too.
    "Flux2KleinPipeline": diffusers.Flux2KleinPipeline,
}

#: What people mean by a sampler's name, for models of noise schedules: class, arguments.
SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "dpm++_2m": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "dpm++_2m_sde": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++_sde": (diffusers.DPMSolverSinglestepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "ddim": (diffusers.DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "lms": (diffusers.LMSDiscreteScheduler, {}),
    "uni_pc": (diffusers.UniPCMultistepScheduler, {}),
}

#: The same for models of rectified flow.
FLOW_SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "euler": (diffusers.FlowMatchEulerDiscreteScheduler, {}),
    "heun": (diffusers.FlowMatchHeunDiscreteScheduler, {}),
}


def load(folder: Path, *, image_to_image: bool = False, dtype: torch.dtype = torch.float32) -> Any:
    """The pipeline of a folder in diffusers' layout."""
    published = json.loads((folder / "model_index.json").read_text())["_class_name"]
    pipeline = IMAGE_TO_IMAGE[published] if image_to_image else getattr(diffusers, published)
    extra = {"add_watermarker": False} if published == "StableDiffusionXLPipeline" else {}
    pipe = pipeline.from_pretrained(folder, dtype=dtype, local_files_only=True, **extra)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def scheduler(name: str, config: Any) -> Any:
    """The scheduler that people mean by a sampler's name, for a model trained as `config` says."""
    table = SAMPLERS if "beta_start" in config else FLOW_SAMPLERS
    scheduler_class, arguments = table[name.removesuffix("_karras")]
    karras = {"use_karras_sigmas": True} if name.endswith("_karras") else {}
    return scheduler_class.from_config(config, **arguments, **karras)


def image(pipe: Any, sampler: str, seed: int, **arguments: Any) -> Image.Image:
    """One image; `arguments` are those of the pipeline."""
    original = pipe.scheduler
    pipe.scheduler = scheduler(sampler, original.config)
    generator = torch.Generator("cpu").manual_seed(seed)
    try:
        made: Image.Image = pipe(**arguments, generator=generator).images[0]
    finally:
        pipe.scheduler = original
    return made


def upright(file: bytes) -> Image.Image:
    """A picture as people see it on white paper, in RGB."""
    picture = ImageOps.exif_transpose(Image.open(BytesIO(file)))
    if picture.mode == "RGBA":
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture)
    return picture.convert("RGB")


def fitted(file: bytes, width: int, height: int) -> Image.Image:
    """A picture scaled and cut to the size of the image to make."""
    return ImageOps.fit(upright(file), (width, height), Image.Resampling.LANCZOS)
