"""What every training shares: processes, optimizer, averaged weights, checkpoints, and the log."""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes

from .stream import Batch, Batches, stream

log = logging.getLogger(__name__)

WARM_UP = 200  # steps over which the rate rises
LARGEST_GRADIENT = 1.0
SECONDS_BETWEEN_LINES = 20.0
SECONDS_BETWEEN_CHECKPOINTS = 120.0


class TrainingError(Exception):
    """Something that was asked for cannot be done; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """How to train: what the command line says."""

    work: Path
    device: str
    threads: int
    processes: int
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
    """One process's share in training a network, from where the last training stopped.

    ``rank`` 0 averages, saves and logs. ``counts`` [processes, 2] is shared: the steps and samples
    of each process since the start.
    """

    def __init__(
        self, name: str, network: nn.Module, settings: Settings, rank: int, counts: Tensor
    ) -> None:
        self.settings = settings
        # Any: what a network is called with is its own affair.
        self.network: Any = network.to(settings.device).train()
        self.average: Any = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.leads = rank == 0
        self._rank, self._counts = rank, counts
        self._before = torch.zeros(2, dtype=torch.int64)
        self._seconds = 0.0
        self._path = checkpoint_path(settings.work, name)
        self._learned = [p for p in self.network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._learned, lr=settings.rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        if self._path.exists():
            self._restore()
        torch.manual_seed(settings.seed + self.step + rank)

    @property
    def step(self) -> int:
        """Steps of all processes in all."""
        return int(self._before[0] + self._counts[:, 0].sum())

    @property
    def samples(self) -> int:
        """Scenes seen by all processes in all."""
        return int(self._before[1] + self._counts[:, 1].sum())

    def fit(
        self,
        batches: Batches,
        loss_of: Callable[[Batch], Tensor],
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Trains until the minutes are over, and saves."""
        begun, seconds_before = time.monotonic(), self._seconds
        line, saved, losses = begun, begun, list[float]()
        fresh = stream(
            batches, self.step + self._rank, self.settings.workers, self.settings.processes
        )
        while time.monotonic() - begun < self.settings.minutes * 60:
            losses.append(self._learn(next(fresh), loss_of))
            after_step()
            if not self.leads:
                continue
            self._follow()
            now = time.monotonic()
            self._seconds = seconds_before + now - begun
            if now - line >= SECONDS_BETWEEN_LINES:
                self._report(losses, self.samples, now - line)
                losses, line = [], now
            if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
                self.save()
                saved = now
        if self.leads:
            self.save()

    def _learn(self, batch: Batch, loss_of: Callable[[Batch], Tensor]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.rate * min(1.0, (self.step + 1) / WARM_UP)
        loss = loss_of(batch.to(self.settings.device))
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._learned, LARGEST_GRADIENT)
        self._optimizer.step()
        self._counts[self._rank] += torch.tensor([1, len(batch.ids)])
        return loss.item()

    def _follow(self) -> None:
        """Moves the averaged weights towards the trained ones; faster at the beginning."""
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.network.parameters()), 1 - decay
            )

    def _report(self, losses: list[float], samples: int, seconds: float) -> None:
        rate = len(losses) * self.settings.batch * self.settings.processes / seconds
        loss = sum(losses) / len(losses)
        log.info(
            "step %d  samples %d  loss %.4f  about %.1f samples/s  %.1f min in all",
            *(self.step, samples, loss, rate, self._seconds / 60),
        )

    def save(self) -> None:
        """Writes the checkpoint in one piece: a kill leaves the old or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half_written = self._path.with_suffix(".part")
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "progress": (self.step, self.samples, self._seconds),
        }
        torch.save(state, half_written)
        half_written.replace(self._path)

    def _restore(self) -> None:
        """Takes up all but the network, which ``train`` has restored."""
        state = torch.load(self._path, map_location=self.settings.device, weights_only=True)
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        steps, samples, self._seconds = state["progress"]
        self._before = torch.tensor([steps, samples])
        log.info("resumed %s at step %d", self._path.name, steps)


@dataclass(frozen=True)
class Plan:
    """One training: what it is called, what it trains, and how a trainer goes about it."""

    name: str
    build: Callable[[], nn.Module]
    learn: Callable[[Trainer], None]
    settings: Settings


def train(plan: Plan) -> None:
    """Carries the plan out in as many processes as its settings say.

    The processes change the same weights, none waiting for another. On cores that others use too
    this is about twice as fast as one process with as many threads, which waits for its slowest.
    """
    torch.manual_seed(plan.settings.seed)
    network = plan.build()
    path = checkpoint_path(plan.settings.work, plan.name)
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
    counts = torch.zeros(plan.settings.processes, 2, dtype=torch.int64)
    if plan.settings.processes == 1:
        plan.learn(Trainer(plan.name, network, plan.settings, 0, counts))
        return
    shared = {name: weight.data for name, weight in network.named_parameters()}
    share = (plan, shared, counts)
    start_processes(_join_in, share, plan.settings.processes)  # type: ignore[no-untyped-call]


def _join_in(rank: int, plan: Plan, shared: dict[str, Tensor], counts: Tensor) -> None:
    """What each process of several does; torch puts tensors handed over in shared memory."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(plan.settings.threads)
    network = plan.build()
    for name, weight in network.named_parameters():
        weight.data = shared[name]
    plan.learn(Trainer(plan.name, network, plan.settings, rank, counts))


def checkpoint_path(work: Path, name: str) -> Path:
    """Where the training of that name keeps its state."""
    return work / f"{name}.pt"


def load_average(work: Path, name: str, network: nn.Module) -> tuple[int, int, float]:
    """Fills the network with a training's averaged weights; gives (steps, samples, seconds).

    Raises:
        TrainingError: there is no checkpoint of that name.
    """
    if not checkpoint_path(work, name).exists():
        raise TrainingError(f"{checkpoint_path(work, name)} is missing: train `{name}` first")
    state = torch.load(checkpoint_path(work, name), map_location="cpu", weights_only=True)
    network.load_state_dict(state["average"])
    steps, samples, seconds = state["progress"]
    return steps, samples, seconds
