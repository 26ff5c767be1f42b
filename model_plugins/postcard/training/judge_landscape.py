"""Judges a landscape: a small classifier of time, terrain and extras, trained on drawn scenes.

Its scenes come from other seeds than the model's, and many pass through the model's own
autoencoder with some noise, so that it judges what is shown and not how crisp it is.
"""

import logging
import random
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from .latents import encode
from .scenes import Landscape, sample_landscape
from .stream import to_tensor
from .words import EXTRAS, TERRAINS, TIMES

log = logging.getLogger(__name__)

FILE = Path(__file__).with_name("judge.safetensors")
SEED = 700_000  # apart from every seed of the model's training
DRAWN, DECODED = 28, 20  # pictures of each kind in a step
POOL = 1200  # decoded pictures to choose from: making them is what takes longest
GREATEST_NOISE = 0.4


class View(NamedTuple):
    """What a landscape shows."""

    terrain: str
    time: str
    extras: tuple[str, ...]


class Judge(nn.Module):
    """A plain convolutional classifier."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 48, 64, 64)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(64 * 4 * 4, len(TERRAINS) + len(TIMES) + len(EXTRAS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of terrains, times and extras for pictures [n, 3, 128, 128] in 0..1."""
        scores: Tensor = self.head(self.layers(pictures))
        sizes = [len(TERRAINS), len(TIMES), len(EXTRAS)]
        terrain, time, extras = torch.split(scores, sizes, dim=-1)
        return terrain, time, extras

    @torch.no_grad()
    def look(self, picture: NDArray[np.uint8]) -> View:
        """Judges one picture [128, 128, 3]."""
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        terrain, time, extras = self(pixels)
        seen = [name for name, score in zip(EXTRAS, extras[0], strict=True) if score > 0]
        return View(TERRAINS[int(terrain.argmax())], TIMES[int(time.argmax())], tuple(seen))


def train_judge(autoencoder: Any, steps: int, path: Path) -> None:
    """Trains the judge and saves it in half precision."""
    torch.manual_seed(SEED)
    scenes = _sample(random.Random(SEED - 1), POOL)
    decoded = torch.cat([_decoded(scene, autoencoder) for scene in scenes])
    judge = Judge().train()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
        rng = random.Random(SEED + step)
        drawn = _sample(rng, DRAWN)
        chosen = rng.sample(range(POOL), DECODED)
        shown = torch.cat([to_tensor(list(drawn)), decoded[chosen]])
        loss = _loss(judge, shown, [*drawn, *(scenes[number] for number in chosen)])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 50 == 0:
            log.info("judge: step %d  loss %.3f", step, loss.item())
    save_judge(judge, path)


def save_judge(judge: Judge, path: Path) -> None:
    """Writes the judge's weights in half precision."""
    state = judge.state_dict().items()
    save_file({name: w.half() if w.is_floating_point() else w for name, w in state}, path)
    path.chmod(0o644)


def load_judge(path: Path = FILE) -> Judge:
    """The judge that ``train_judge`` saved, in full precision."""
    judge = Judge()
    judge.load_state_dict(load_file(path))
    return judge.eval()


def _loss(judge: Judge, pictures: Tensor, scenes: list[Landscape]) -> Tensor:
    terrain, time, extras = judge(pictures)
    names = [{extra.name for extra in scene.extras} for scene in scenes]
    present = torch.tensor([[float(name in found) for name in EXTRAS] for found in names])
    terrains = torch.tensor([TERRAINS.index(scene.terrain) for scene in scenes])
    times = torch.tensor([TIMES.index(scene.time) for scene in scenes])
    seen = binary_cross_entropy_with_logits(extras, present)
    return cross_entropy(terrain, terrains) + cross_entropy(time, times) + 4 * seen


@torch.no_grad()
def _decoded(scene: Landscape, autoencoder: Any) -> Tensor:
    """The scene [1, 3, 128, 128] as the model would show it: with a little wrong in its latents."""
    latents = encode(to_tensor([scene]))
    latents += GREATEST_NOISE * torch.rand(()) * torch.randn_like(latents)
    decoded: Tensor = autoencoder.decode(latents).sample / 2 + 0.5
    return decoded.clamp(0, 1)


def _sample(rng: random.Random, count: int) -> list[Landscape]:
    return [sample_landscape(rng) for _ in range(count)]
