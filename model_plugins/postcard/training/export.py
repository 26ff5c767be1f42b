"""Writes the model in the layout that ``StableDiffusionXLPipeline.from_pretrained`` reads."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from . import train_unet, train_vae
from .latents import LATENT_RGB_BIAS, LATENT_RGB_FACTORS, encode, to_rgb
from .networks import build_autoencoder, build_scheduler, build_text_encoders
from .stream import Batches
from .tokens import build_tokenizer
from .train_unet import ConditionedUNet
from .trainer import load_average

log = logging.getLogger(__name__)

MOST_BYTES = 16_000_000
# Half precision on disk costs this much at most: the encoder is exact before.
MOST_LATENT_ERROR = 0.02


def export(work: Path, folder: Path) -> None:
    """Exports the averaged weights of the last checkpoints to ``folder``, and checks them."""
    tokenizer = build_tokenizer()
    painter = ConditionedUNet(build_text_encoders(tokenizer))
    steps, samples, _ = load_average(work, train_unet.NAME, painter)
    autoencoder = build_autoencoder()
    load_average(work, train_vae.NAME, autoencoder)
    # An empty negative prompt is read by the encoders like any other, as in training.
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder,
        text_encoder=painter.encoders[0],
        text_encoder_2=painter.encoders[1],
        tokenizer=tokenizer,
        tokenizer_2=build_tokenizer(),
        unet=painter.unet,
        scheduler=build_scheduler(),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder)
    _tidy(folder)
    check(folder)
    log.info("exported step %d (%d samples) to %s", steps, samples, folder)


def _tidy(folder: Path) -> None:
    """Makes the files readable for everyone, and drops a key that diffusers writes and bemoans."""
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    path = folder / "vae" / "config.json"
    config = json.loads(path.read_text())
    config.pop("block_out_channels")
    path.write_text(json.dumps(config, indent=2) + "\n")


def check(folder: Path) -> None:
    """Raises unless the folder is small enough and its latents mean what the constants say."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes are more than {MOST_BYTES}")
    error = _latent_error(load_pipeline(folder).vae)
    if error > MOST_LATENT_ERROR:
        raise ValueError(f"the encoder is off by {error}: latents would not mean what they should")
    log.info("%.2f MB; latents exact to %.4f", size / 1e6, error)


def load_pipeline(folder: Path) -> Any:
    """The exported pipeline in full precision, from files alone, silent and frozen."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.vae, pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        part.requires_grad_(False)
    return pipeline


@torch.no_grad()
def _latent_error(autoencoder: Any) -> float:
    """Largest error of the encoder against its formula, and of latents turned to RGB."""
    if len(LATENT_RGB_FACTORS) != autoencoder.config.latent_channels or len(LATENT_RGB_BIAS) != 3:
        raise ValueError("the latent format has another number of channels than the model")
    pictures = Batches(build_tokenizer(), 16, seed=99, several_sizes=False)[0].pictures
    latents = autoencoder.encode(pictures * 2 - 1).latents
    means = torch.nn.functional.avg_pool2d(pictures, 8)
    format_error = (latents - encode(pictures)).abs().max()
    return float(torch.maximum(format_error, (to_rgb(latents) - means).abs().max()))
