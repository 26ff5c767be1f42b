"""Second training: the decoder learns to turn latents, and slightly wrong ones, to pictures."""

import logging
import math

import torch
from torch import Tensor

from .latents import encode
from .networks import build_autoencoder
from .stream import Batch, Batches
from .tokens import build_tokenizer
from .trainer import Plan, Settings, Trainer, train

log = logging.getLogger(__name__)

NAME = "vae"
CROP = 64  # pixels: small pieces show more different scenes a second
# Latents made by diffusion are never exact: most a decoder sees get a little noise.
MOST_NOISE = 0.12


def train_vae(settings: Settings) -> None:
    """Trains for the given minutes and logs the decoder's fidelity."""
    train(Plan(NAME, build_autoencoder, _learn, settings))


def _learn(trainer: Trainer) -> None:
    settings = trainer.settings
    batches = Batches(build_tokenizer(), settings.batch, settings.seed + 1, several_sizes=False)

    def loss_of(batch: Batch) -> Tensor:
        wanted = _piece(batch.pictures)
        with torch.no_grad():
            latents = encode(wanted)
            spread = MOST_NOISE * torch.rand(len(latents), 1, 1, 1, device=latents.device)
            latents += spread * torch.randn_like(latents)
        with settings.autocast():
            decoded = trainer.network.decode(latents).sample
        error = decoded.float() / 2 + 0.5 - wanted
        loss: Tensor = error.abs().mean() + 4 * error.square().mean()
        return loss

    trainer.fit(batches, loss_of)
    if trainer.leads:
        log.info("fidelity of the decoder: %.1f dB", _fidelity(trainer, batches))


def _piece(pictures: Tensor) -> Tensor:
    """One square piece of every picture, at a place that differs from batch to batch."""
    room = pictures.shape[-1] - CROP + 1
    left, top = (int(torch.randint(room, ())) for _ in range(2))
    return pictures[:, :, top : top + CROP, left : left + CROP].contiguous()


@torch.no_grad()
def _fidelity(trainer: Trainer, batches: Batches) -> float:
    """Peak signal to noise of whole pictures not trained on, in dB."""
    device = next(trainer.average.parameters()).device
    wanted = batches[2**30].pictures.to(device)
    decoded = trainer.average.decode(encode(wanted)).sample / 2 + 0.5
    return -10 * math.log10(float((decoded.clamp(0, 1) - wanted).square().mean()))
