"""The reference for inpainting: diffusers' own pipelines for it. It imports nothing of ours."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

#: What redraws a part of an image, by the class that makes one of a text alone.
INPAINTING = {
    "StableDiffusionXLPipeline": diffusers.StableDiffusionXLInpaintPipeline,
    # Its class for inpainting forgets the autoencoder's shift in diffusers 0.42; see `_by_hand`.
    "StableDiffusion3Pipeline": diffusers.StableDiffusion3Img2ImgPipeline,
    "FluxPipeline": diffusers.FluxInpaintPipeline,
    "ChromaPipeline": diffusers.ChromaInpaintPipeline,
    "ZImagePipeline": diffusers.ZImageInpaintPipeline,
}


def pipeline(pipe: Any) -> Any:
    """A pipeline for inpainting of the parts of another one, which is used up."""
    kind = type(pipe).__name__
    extra = {"add_watermarker": False} if kind == "StableDiffusionXLPipeline" else {}
    made = INPAINTING[kind](**pipe.components, **extra)
    made.set_progress_bar_config(disable=True)
    if extra:
        # The number by which diffusers tells models that were made for inpainting; it knows no
        # autoencoders of more channels.
        made.unet.register_to_config(in_channels=4)
    if kind == "ChromaPipeline":
        # diffusers 0.42 asks for a number that its own model does not have.
        made.transformer.register_to_config(guidance_embeds=False)
    return made


def image(
    pipe: Any, scheduler: Any, seed: int, picture: Image.Image, mask: Image.Image, **arguments: Any
) -> Image.Image:
    """One image as it is decoded, nothing of `picture` put back into it.

    Args:
        pipe: of `pipeline`.
        scheduler: not used before.
        seed: of its noise.
        picture: of the size of the image to make.
        mask: likewise; white is redrawn, in whole squares of 8 x 8 pixels.
        arguments: the others of the pipeline.
    """
    pipe.scheduler = scheduler
    generator = torch.Generator("cpu").manual_seed(seed)
    if isinstance(pipe, diffusers.StableDiffusion3Img2ImgPipeline):
        own = {**arguments, "callback_on_step_end": _by_hand(pipe, seed, picture, mask)}
    else:
        own = {**arguments, "mask_image": mask}
    if isinstance(pipe, diffusers.StableDiffusionXLInpaintPipeline):
        # Only models made for inpainting read it. Encoding it would draw random numbers that some
        # samplers draw too.
        own["masked_image_latents"] = torch.zeros(1, 4, 1, 1)
    made: Image.Image = pipe(**own, image=picture, generator=generator).images[0]
    return made


@torch.no_grad()
def _by_hand(pipe: Any, seed: int, picture: Image.Image, mask: Image.Image) -> Any:
    """What to do after each step of image to image."""
    generator = torch.Generator("cpu").manual_seed(seed)
    config = pipe.vae.config
    drawn = pipe.vae.encode(pipe.image_processor.preprocess(picture)).latent_dist.sample(generator)
    clean = (drawn - config.shift_factor) * config.scaling_factor
    noise = torch.randn(clean.shape, generator=generator)
    white = torch.from_numpy(np.array(mask) // 255)[::8, ::8].float()

    def step_end(pipe: Any, step: int, _timestep: Any, tensors: Any) -> dict[str, torch.Tensor]:
        left = pipe.scheduler.timesteps[-pipe.num_timesteps :][step + 1 :]
        kept = pipe.scheduler.scale_noise(clean, left[:1], noise) if len(left) else clean
        return {"latents": (1 - white) * kept + white * tensors["latents"]}

    return step_end
