"""Measures what an adapter does: its style with and without its word, at half weight, and whether
the shape asked for is still there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .drawing import Picture
from .figures import Share, share_of
from .judge_flat import look
from .judge_style import shape_of
from .painting import DEFAULT, Painter, Sampling
from .styles import STYLES, Style


class Way(NamedTuple):
    """How to paint: the weight of the adapter, and whether its word is in the prompt."""

    weight: float
    with_word: bool


WAYS = {
    "base": Way(0.0, False),
    "word alone": Way(0.0, True),
    "without the word": Way(1.0, False),
    "half weight": Way(0.5, True),
    "full": Way(1.0, True),
}


@dataclass(frozen=True)
class Found:
    """What one way gave: the style's measure of each picture, and shares of pictures.

    ``shape`` counts the prompts that ask for one; it is missing where none does. With word and
    weight it is judged by drawings in the style (at half weight too), else by plain ones.
    """

    measures: list[float]
    unmistakable: Share
    shape: Share | None


class LoraReport(NamedTuple):
    """What an adapter does, by way of painting."""

    style: str
    found: dict[str, Found]

    def effect(self, way: str) -> float:
        """How far a picture's measure moves from the base's on average, up or down, as a share of
        how far the adapter moves it with its word at full weight."""
        return self._moved(way) / self._moved("full")

    def _moved(self, way: str) -> float:
        return float(
            np.abs(np.subtract(self.found[way].measures, self.found["base"].measures)).mean()
        )

    @property
    def kept(self) -> float:
        """The share of right shapes under the style, as a share of the base's."""
        full, base = self.found["full"].shape, self.found["base"].shape
        if full is None or base is None:
            raise ValueError("no prompt asked for a shape")
        return full.share / base.share

    def table(self) -> str:
        """The report as a Markdown table."""
        lines = ["| way | measure | effect | unmistakable | shape |", "|---|---|---|---|---|"]
        for way, found in self.found.items():
            shape = f"{100 * found.shape.share:.0f} %" if found.shape else ""
            lines.append(
                f"| {way} | {np.mean(found.measures):.3f} | {100 * self.effect(way):.0f} % "
                f"| {100 * found.unmistakable.share:.0f} % | {shape} |"
            )
        lines += ["", f"Shapes kept, as a share of the base's: {100 * self.kept:.0f} %."]
        return "\n".join(lines)


def load_style(pipeline: Any, folder: Path, style: str) -> None:
    """Loads an adapter as anyone would who knows diffusers and nothing of this program."""
    pipeline.load_lora_weights(folder, weight_name=f"{style}.safetensors", adapter_name=style)


def evaluate_lora(
    pipeline: Any, style: str, asked: list[dict[str, Any]], *, seed: int, sampling: Sampling
) -> LoraReport:
    """Paints what is asked in every way with an adapter that ``load_style`` has loaded.

    ``asked`` holds prompts, with the shape each asks for, if any.
    """
    prompts, shapes = [a["prompt"] for a in asked], [a.get("shape", "") for a in asked]
    found = {}
    for name, way in WAYS.items():
        pictures = paint_styled(pipeline, style, prompts, way, seed=seed, sampling=sampling)
        found[name] = _judge(STYLES[style], way, pictures, shapes)
    return LoraReport(style, found)


def paint_styled(
    pipeline: Any,
    style: str,
    prompts: list[str],
    way: Way,
    *,
    seed: int,
    sampling: Sampling = DEFAULT,
) -> list[Picture]:
    """A picture [128, 128, 3] for each prompt; the first has the seed, each other the next."""
    pipeline.set_adapters([style], [way.weight])
    painter = Painter(pipeline, sampling)
    return [
        painter.paint(f"{style}, {prompt}" if way.with_word else prompt, seed + number)
        for number, prompt in enumerate(prompts)
    ]


def _judge(style: Style, way: Way, pictures: list[Picture], shapes: list[str]) -> Found:
    unmistakable = sum(style.unmistakable(picture) for picture in pictures)
    styled = way.weight > 0 and way.with_word
    right = [
        (shape_of(picture, style) if styled else look(picture).shape) == shape
        for picture, shape in zip(pictures, shapes, strict=True)
        if shape
    ]
    return Found(
        measures=[style.measure(picture) for picture in pictures],
        unmistakable=share_of(unmistakable, len(pictures)),
        shape=share_of(sum(right), len(right)) if right else None,
    )
