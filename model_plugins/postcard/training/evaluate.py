"""Measures how well pictures follow their prompts; every share comes with its 95 % interval."""

import logging
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from .drawn import examine_drawn, show_decoded, show_drawn
from .examine import GROUPS, Asked, examine
from .export import load_pipeline
from .figures import Share, Tally
from .judge_landscape import SEED, load_judge
from .painting import Painter, Sampling

DRAWN = 400  # scenes of each group that the judges themselves are tested on
THROUGH = "drawn, through the autoencoder"


@dataclass(frozen=True)
class Report:
    """What an evaluation found: the model by sampling, and the judges' own scores."""

    model: dict[Sampling, Tally]
    drawn: Tally
    decoded: Tally

    def add(self, other: "Report") -> None:
        """Takes over all that the report of another share found."""
        for sampling, tally in self.model.items():
            tally.add(other.model[sampling])
        self.drawn.add(other.drawn)
        self.decoded.add(other.decoded)


def evaluate(
    weights: Path, samplings: tuple[Sampling, ...], asked: Asked, processes: int = 1
) -> Report:
    """Paints and judges all that is asked with each of the samplings."""
    shares = [
        (weights, samplings, _share(asked, rank, processes), DRAWN // processes, f"{SEED} {rank}")
        for rank in range(processes)
    ]
    if processes == 1:
        return _evaluate_share(*shares[0])
    with get_context("spawn").Pool(processes, _join_in) as pool:
        first, *others = pool.starmap(_evaluate_share, shares)
    for other in others:
        first.add(other)
    return first


def _share(asked: Asked, rank: int, processes: int) -> Asked:
    """Every ``processes``-th of each group, with all seeds."""
    return {
        name: wanted if name == "seeds" else wanted[rank::processes]
        for name, wanted in asked.items()
    }


def _join_in() -> None:
    """Prepares one process of several."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)


def _evaluate_share(
    weights: Path, samplings: tuple[Sampling, ...], asked: Asked, count: int, seed: str
) -> Report:
    pipeline, judge = load_pipeline(weights), load_judge()
    groups = tuple(group for group in GROUPS if group in asked)
    shows = (show_drawn, show_decoded(pipeline.vae))
    return Report(
        {sampling: examine(Painter(pipeline, sampling), judge, asked) for sampling in samplings},
        *(examine_drawn(show, judge, groups, count, seed) for show in shows),
    )


def tables(report: Report) -> str:
    """The report in Markdown: for each sampling its shares, and what was measured."""
    return "\n\n".join(
        f"{sampling.steps} steps, CFG {sampling.cfg:g}\n\n{_shares(report, tally)}{_means(tally)}"
        for sampling, tally in report.model.items()
    )


def _shares(report: Report, model: Tally) -> str:
    drawn, decoded = report.drawn.shares(), report.decoded.shares()
    columns = ("judged", "right", "95 % interval", "number", "drawn", THROUGH)
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    found = model.shares()
    for name in sorted({*found, *drawn}):
        judges = [_percent(own.get(name)) for own in (drawn, decoded)]
        lines.append(f"| {' | '.join((name, *_cells(found.get(name)), *judges))} |")
    return "\n".join(lines)


def _cells(share: Share | None) -> tuple[str, str, str]:
    """A share, its interval and its number; nothing where only the judges have it."""
    if share is None:
        return "–", "–", "–"
    interval = f"{100 * share.least:.1f}–{100 * share.most:.1f} %"
    return _percent(share), interval, str(share.number)


def _means(model: Tally) -> str:
    if not model.means():
        return ""
    rows = [f"| {name} | {mean.mean:.2f} | {mean.number} |" for name, mean in model.means().items()]
    return "\n".join(["", "", "| measured | mean | values |", "|---|---|---|", *rows])


def _percent(share: Share | None) -> str:
    return "–" if share is None else f"{100 * share.share:.1f} %"
