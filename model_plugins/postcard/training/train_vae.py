"""Second training: the decoder learns to turn latents, and slightly wrong ones, to pictures."""

import logging
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .latents import encode
from .networks import build_autoencoder
from .stream import Batch, Batches, stream
from .tokens import build_tokenizer
from .trainer import Settings, Trainer

log = logging.getLogger(__name__)

NAME = "vae"
CROP = 64  # pixels: small pieces show more different scenes a second
# Latents made by diffusion are never exact: most a decoder sees get a little noise.
MOST_NOISE = 0.12


def train_vae(settings: Settings) -> None:
    """Trains for the given minutes and logs the decoder's fidelity."""
    torch.manual_seed(settings.seed)
    trainer = Trainer(NAME, build_autoencoder(), settings)
    batches = Batches(build_tokenizer(), settings.batch, settings.seed + 1, several_sizes=False)

    def loss_of(batch: Batch) -> Tensor:
        wanted = batch.pictures
        with torch.no_grad():
            latents = encode(wanted)
            spread = MOST_NOISE * torch.rand(len(latents), 1, 1, 1, device=latents.device)
            latents += spread * torch.randn_like(latents)
        with settings.autocast():
            decoded = trainer.network.decode(latents).sample
        error = decoded.float() / 2 + 0.5 - wanted
        loss: Tensor = error.abs().mean() + 4 * error.square().mean()
        return loss

    trainer.fit(_crops(stream(batches, trainer.step, settings.workers)), loss_of)
    log.info("fidelity of the decoder: %.1f dB", _fidelity(trainer, batches))


def _crops(batches: Iterator[Batch]) -> Iterator[Batch]:
    """One piece of every picture, at a place that differs from batch to batch."""
    for batch in batches:
        room = batch.pictures.shape[-1] - CROP + 1
        left, top = (int(torch.randint(room, ())) for _ in range(2))
        piece = batch.pictures[:, :, top : top + CROP, left : left + CROP]
        yield Batch(piece.contiguous(), batch.ids, batch.labels)


@torch.no_grad()
def _fidelity(trainer: Trainer, batches: Batches) -> float:
    """Peak signal to noise of whole pictures not trained on, in dB."""
    device = next(trainer.average.parameters()).device
    wanted = batches[2**30].pictures.to(device)
    decoded = trainer.average.decode(encode(wanted)).sample / 2 + 0.5
    return -10 * math.log10(float((decoded.clamp(0, 1) - wanted).square().mean()))
