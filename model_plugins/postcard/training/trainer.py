"""What every training shares: optimizer, averaged weights, checkpoints, and the log."""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .stream import Batch

log = logging.getLogger(__name__)

WARM_UP = 200  # steps over which the rate rises
LARGEST_GRADIENT = 1.0
SECONDS_BETWEEN_LINES = 20.0
SECONDS_BETWEEN_CHECKPOINTS = 120.0


@dataclass(frozen=True)
class Settings:
    """How to train: what the command line says."""

    work: Path
    device: str
    batch: int
    minutes: float
    rate: float
    seed: int
    workers: int
    average: float
    precision: str

    def autocast(self) -> torch.autocast:
        """Half precision where the settings ask for it."""
        device = torch.device(self.device).type
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16")


class Trainer:
    """Trains ``network`` for a while, from where the last run with the same name stopped."""

    def __init__(self, name: str, network: nn.Module, settings: Settings) -> None:
        # Any: what a network is called with is its own affair.
        self.network: Any = network.to(settings.device).train()
        self.average: Any = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.step = self.samples = 0
        self.seconds = 0.0
        self._settings = settings
        self._path = checkpoint_path(settings.work, name)
        self._learned = [p for p in self.network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._learned, lr=settings.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        if self._path.exists():
            self._restore()

    def fit(
        self,
        batches: Iterator[Batch],
        loss_of: Callable[[Batch], Tensor],
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Trains until the minutes are over, and saves."""
        started = line = saved = time.monotonic()
        losses: list[float] = []
        seconds_before = self.seconds
        while time.monotonic() - started < self._settings.minutes * 60:
            losses.append(self._learn(next(batches), loss_of))
            after_step()
            self._follow()
            now = time.monotonic()
            self.seconds = seconds_before + now - started
            if now - line >= SECONDS_BETWEEN_LINES:
                self._report(losses, now - line)
                losses, line = [], now
            if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
                self.save()
                saved = now
        self.save()

    def _learn(self, batch: Batch, loss_of: Callable[[Batch], Tensor]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.rate * min(1.0, (self.step + 1) / WARM_UP)
        loss = loss_of(batch.to(self._settings.device))
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._learned, LARGEST_GRADIENT)
        self._optimizer.step()
        self.step += 1
        self.samples += len(batch.ids)
        return loss.item()

    def _follow(self) -> None:
        """Moves the averaged weights towards the trained ones; faster at the beginning."""
        decay = min(self._settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.network.parameters()), 1 - decay
            )

    def _report(self, losses: list[float], seconds: float) -> None:
        rate = len(losses) * self._settings.batch / seconds
        loss = sum(losses) / len(losses)
        log.info(
            "step %d  samples %d  loss %.4f  %.1f samples/s  %.1f min in all",
            *(self.step, self.samples, loss, rate, self.seconds / 60),
        )

    def save(self) -> None:
        """Writes the checkpoint in one piece: a kill leaves the old or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half_written = self._path.with_suffix(".part")
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "progress": (self.step, self.samples, self.seconds),
        }
        torch.save(state, half_written)
        half_written.replace(self._path)

    def _restore(self) -> None:
        state = torch.load(self._path, map_location=self._settings.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.samples, self.seconds = state["progress"]
        log.info("resumed %s at step %d", self._path.name, self.step)


def checkpoint_path(work: Path, name: str) -> Path:
    """Where the training of that name keeps its state."""
    return work / f"{name}.pt"


def load_average(work: Path, name: str, network: nn.Module) -> tuple[int, int, float]:
    """Fills the network with a training's averaged weights; gives (steps, samples, seconds)."""
    state = torch.load(checkpoint_path(work, name), map_location="cpu", weights_only=True)
    network.load_state_dict(state["average"])
    steps, samples, seconds = state["progress"]
    return steps, samples, seconds
