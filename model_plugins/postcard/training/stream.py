"""An endless stream of fresh batches: batch number k is the same for the same seed, always."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .captions import describe
from .drawing import NATIVE, draw
from .scenes import Scene, labels, sample_scene
from .tokens import token_ids

EMPTY_SHARE = 0.1  # of captions left empty: what classifier-free guidance steers away from
NATIVE_SHARE = 0.7  # of batches drawn at 128 x 128; the others take one of these sizes
OTHER_SIZES = (  # width, height; the larger cost more and come less often
    *((64, 64), (96, 96), (64, 128), (128, 64), (96, 160), (160, 96), (128, 192), (192, 128)),
    *((112, 192), (192, 112), (160, 160), (160, 160), (192, 192), (192, 192)),
    *((256, 128), (128, 256), (224, 224), (256, 256)),
)


@dataclass(frozen=True)
class Batch:
    """``pictures`` [n, 3, h, w] in 0..1, token ``ids`` [n, 40], and ``labels`` [n, slots]."""

    pictures: Tensor
    ids: Tensor
    labels: Tensor

    def to(self, device: str) -> Self:
        """The same batch on another device."""
        names = ("pictures", "ids", "labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def to_tensor(scenes: list[Scene], width: int = NATIVE, height: int = NATIVE) -> Tensor:
    """Draws the scenes: [n, 3, height, width] in 0..1."""
    pixels = np.stack([np.asarray(draw(scene, width, height)) for scene in scenes])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


class Batches(Dataset[Batch]):
    """Makes batch number k on demand, so that worker processes can share the work."""

    def __init__(
        self, tokenizer: Any, count: int, seed: int, several_sizes: bool, pictures: bool = True
    ) -> None:
        self._tokenizer, self._count, self._seed = tokenizer, count, seed
        self._several_sizes, self._pictures = several_sizes, pictures

    def __getitem__(self, number: int) -> Batch:
        rng = random.Random(f"{self._seed} {number}")
        scenes = [sample_scene(rng) for _ in range(self._count)]
        texts = ["" if rng.random() < EMPTY_SHARE else describe(scene, rng) for scene in scenes]
        other = self._several_sizes and rng.random() > NATIVE_SHARE
        size = rng.choice(OTHER_SIZES) if other else (NATIVE, NATIVE)
        return Batch(
            to_tensor(scenes, *size) if self._pictures else torch.empty(0),
            token_ids(self._tokenizer, texts),
            torch.tensor([labels(scene) for scene in scenes]),
        )


def stream(batches: Batches, first: int, workers: int, stride: int = 1) -> Iterator[Batch]:
    """Every ``stride``-th batch from number ``first`` on, without end."""
    numbers = range(first, first + 2**40, stride)
    return iter(DataLoader(batches, batch_size=None, sampler=numbers, num_workers=workers))
