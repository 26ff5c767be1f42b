"""Third training: the denoiser.

The text encoders stay as they learned to read, unless asked otherwise: trained along from the
start, they forgot shapes and places before the denoiser had come to ask for them.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from . import train_text
from .latents import encode
from .networks import (
    SIZE_IDS,
    build_scheduler,
    build_unet,
    encode_text,
    ignore_size_ids,
)
from .stream import Batch, Batches
from .tokens import build_tokenizer
from .trainer import Plan, Settings, Trainer, load_average, train

NAME = "unet"
TIMESTEPS_BY_SHARE = ((0.0, 0), (0.05, 100), (0.20, 250), (0.75, 650), (1.0, 1000))


class ConditionedUNet(nn.Module):
    """The denoiser and the text encoders that it listens to."""

    def __init__(self, encoders: nn.ModuleList) -> None:
        super().__init__()
        self.encoders = encoders
        self.unet = build_unet()
        # The fused attention of torch learns a quarter slower on CPUs, with so few places to look.
        self.unet.set_attn_processor(AttnProcessor())

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> Tensor:
        """Predicted velocity [n, 8, h, w] of noisy latents at timesteps [n] for token numbers."""
        words, pooled = encode_text(self.encoders, ids)
        sizes = torch.zeros(len(ids), SIZE_IDS, device=ids.device)
        conditions = {"text_embeds": pooled, "time_ids": sizes}
        velocity: Tensor = self.unet(noisy, timesteps, words, added_cond_kwargs=conditions).sample
        return velocity


def train_unet(settings: Settings, start: Path | None, learn_text: bool) -> None:
    """Trains for the given minutes, from the last checkpoint, exported weights, or the text."""
    build = partial(_build, settings.work, start, learn_text)
    train(Plan(NAME, build, _learn, settings))


def _build(work: Path, start: Path | None, learn_text: bool) -> ConditionedUNet:
    reader = train_text.build_reader()
    if start is None:
        load_average(work, train_text.NAME, reader)
    painter = ConditionedUNet(reader.encoders)
    if start is not None:
        load_exported(painter, start)
    painter.encoders.requires_grad_(learn_text)
    return painter


def _learn(trainer: Trainer) -> None:
    settings = trainer.settings
    batches = Batches(build_tokenizer(), settings.batch, settings.seed + 2, several_sizes=True)
    after_step = partial(ignore_size_ids, trainer.network.unet)
    trainer.fit(batches, velocity_loss(trainer), after_step)


def velocity_loss(trainer: Trainer) -> Callable[[Batch], Tensor]:
    """The loss of a ``ConditionedUNet``: how far off its velocities are, squared."""
    settings = trainer.settings
    alphas_cumprod = build_scheduler().alphas_cumprod.to(settings.device)

    def loss_of(batch: Batch) -> Tensor:
        latents = encode(batch.pictures)
        noise = torch.randn_like(latents)
        timesteps = stratified_timesteps(len(latents)).to(latents.device)
        signal = alphas_cumprod[timesteps].sqrt()[:, None, None, None]
        spread = (1 - alphas_cumprod[timesteps]).sqrt()[:, None, None, None]
        with settings.autocast():
            found = trainer.network(signal * latents + spread * noise, timesteps, batch.ids)
        wanted = signal * noise - spread * latents
        loss: Tensor = (found.float() - wanted).square().mean()
        return loss

    return loss_of


def load_exported(painter: ConditionedUNet, folder: Path) -> None:
    """Fills the painter with weights that ``export`` wrote."""
    names = ("text_encoder", "text_encoder_2", "unet")
    for name, network in zip(names, (*painter.encoders, painter.unet), strict=True):
        network.load_state_dict(type(network).from_pretrained(folder / name).state_dict())


def stratified_timesteps(count: int) -> Tensor:
    """Times [count] in 0..999, one from each of as many equal shares: steadier than by lot.

    More of them lie where shapes come out of the noise, and fewer at the noiseless end.
    """
    share = (torch.randperm(count) + torch.rand(count)) / count
    shares, timesteps_there = zip(*TIMESTEPS_BY_SHARE, strict=True)
    timesteps = np.interp(share.numpy(), shares, timesteps_there)
    return torch.from_numpy(timesteps).long().clamp_max(TIMESTEPS_BY_SHARE[-1][1] - 1)
