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

#: The noise levels that the model was trained on, whatever its own scheduler makes of them.
USUAL = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
SECOND_ORDER = {**USUAL, "solver_order": 2}

#: What people mean by a sampler's name, for models of noise schedules: class, arguments.
SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "euler": (diffusers.EulerDiscreteScheduler, USUAL),
    "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "dpm++_2m": (
        diffusers.DPMSolverMultistepScheduler,
        {**SECOND_ORDER, "algorithm_type": "dpmsolver++"},
    ),
    "dpm++_2m_sde": (
        diffusers.DPMSolverMultistepScheduler,
        {**SECOND_ORDER, "algorithm_type": "sde-dpmsolver++"},
    ),
    "dpm++_sde": (
        diffusers.DPMSolverSinglestepScheduler,
        {**SECOND_ORDER, "algorithm_type": "sde-dpmsolver++"},
    ),
    "ddim": (diffusers.DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
    "heun": (diffusers.HeunDiscreteScheduler, USUAL),
    "lms": (diffusers.LMSDiscreteScheduler, USUAL),
    "uni_pc": (diffusers.UniPCMultistepScheduler, SECOND_ORDER),
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
    if name.endswith("_karras"):
        arguments = {**arguments, "use_karras_sigmas": True}
    return scheduler_class.from_config(config, **arguments)


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


#: The texts of a chunk of 75 tokens, with the weight of each.
Chunk = list[tuple[str, float]]


@torch.no_grad()
def embedded(pipe: Any, chunks: list[Chunk], negative: list[Chunk]) -> dict[str, Any]:
    """The arguments that stand for weighted prompts of any length, of as many chunks each.

    As A1111's web UI does it: each chunk through both encoders, each token's hidden state times its
    weight, the mean of the chunk restored where that takes no larger factor than the weights are;
    the pooled vector is that of the first chunk without weights.
    """
    positive, pooled = _hidden(pipe, chunks)
    other, other_pooled = _hidden(pipe, negative)
    return {
        "prompt_embeds": positive,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": other,
        "negative_pooled_prompt_embeds": other_pooled,
    }


def _hidden(pipe: Any, chunks: list[Chunk]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [
        torch.cat([_weighted(*encoder, chunk) for encoder in _encoders(pipe)], dim=2)
        for chunk in chunks
    ]
    first = " ".join(text for text, _ in chunks[0])
    _, _, pooled, _ = pipe.encode_prompt(first, do_classifier_free_guidance=False)
    return torch.cat(rows, dim=1), pooled


def _encoders(pipe: Any) -> list[tuple[Any, Any]]:
    return [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]


def _weighted(tokenizer: Any, model: Any, chunk: Chunk) -> torch.Tensor:
    inside = [
        (token, weight) for text, weight in chunk for token in tokenizer(text).input_ids[1:-1]
    ]
    assert len(inside) <= 75
    ids = tokenizer.decode([token for token, _ in inside])
    padded = tokenizer(ids, padding="max_length", max_length=77, return_tensors="pt").input_ids
    hidden: torch.Tensor = model(padded, output_hidden_states=True).hidden_states[-2]
    weights = [1.0, *(weight for _, weight in inside)]
    weights += [1.0] * (77 - len(weights))
    changed = hidden * torch.tensor(weights).reshape(1, 77, 1)
    factor = float(hidden.mean()) / float(changed.mean())
    most = max(max(weight, 1 / weight) for weight in weights)
    return changed * factor if 1 / most <= factor <= most else changed


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
