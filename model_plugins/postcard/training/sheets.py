"""The sheets of the documentation: what the exported model really paints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .drawing import Picture
from .evaluate_lora import Way, load_style, paint_styled
from .latents import to_rgb
from .painting import Painter, Sampling
from .sheet import SIDE, Cell, save_sheet
from .styles import STYLES

SEED = 7

SHOWN = (
    "a big red star on a blue background",
    "a yellow circle on the left on a purple ground",
    "a green square at the top right on a white ground",
    "a big pink heart on a black background",
    "a medium cyan ring above a medium orange diamond on a green ground",
    "a small white triangle beside a small red circle on a blue ground",
    "hills by day with the sun and a red house",
    "mountains by day with clouds",
    "the sea by day with a white boat",
    "a desert by day with a green cactus",
    "a city by day with a tree",
    "the sea at sunset with the sun and a yellow boat",
    "hills at night with the moon and stars",
    "mountains at sunset",
    "a desert at night with stars",
    "a city at night with the moon",
    "the sea in a storm with a red boat",
    "a city in a storm",
)
GRID_PROMPT = "a big yellow star on the left on a purple background"
GRID_CFG, GRID_STEPS = (1.0, 2.0, 3.0, 5.0, 8.0, 14.0), (4, 8, 20, 40)
SEEDS = (1, 2, 3, 4, 5, 6)
SEEDED = (
    "mountains at sunset with the sun",
    "the sea by day with a red boat",
    "a big red heart on a white background",
)
NEGATIVES = (
    ("the sea by day", "clouds", 6),
    ("the sea by day", "sun", 5),
    ("a city by day", "sun", 8),
    ("a desert at sunset", "clouds", 10),
)
FROM_IMAGE = (
    ("hills by day with a red house", "hills at night with the moon"),
    ("a big red circle on a white background", "a big blue star on a yellow background"),
)
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
SHAPED = (
    ("the sea at sunset with a white boat", ((64, 64), (128, 64), (192, 112), (96, 128))),
    ("a big green star on a pink background", ((64, 96), (160, 96), (192, 192), (256, 128))),
)
STYLED = (
    "a big red star on a blue background",
    "a big yellow heart on a green background",
    "the sea at sunset with a white boat",
    "mountains by day with the sun",
)
STYLED_WAYS = (Way(1.0, False), Way(0.5, True), Way(1.0, True))
DEVELOPING = ("the sea at sunset with the sun and a red boat", "a big red heart on a cyan ground")
SHOWN_STEPS = (1, 2, 4, 6, 8, 12, 16, 20)


def draw_sheets(pipeline: Any, folder: Path, loras: Path) -> None:
    """Paints every sheet into the folder; ``loras`` holds the adapters of ``postcard-loras``."""
    painter = Painter(pipeline)
    sheets = {
        "sheet": (_prompts(painter), 6),
        "cfg-steps": (_grid(painter), len(GRID_CFG)),
        "seeds": (_seeds(painter), len(SEEDS)),
        "negative": (_negatives(painter), len(NEGATIVES)),
        "image-to-image": (_from_image(painter), len(STRENGTHS) + 1),
        "sizes": (_sizes(painter), 4),
        "steps": (_developing(painter), len(SHOWN_STEPS) + 1),
        "loras": (_styles(painter, loras), 1 + len(STYLES) * len(STYLED_WAYS)),
    }
    for name, (cells, columns) in sheets.items():
        save_sheet(folder / f"postcard-{name}.png", list(cells), columns)


def _prompts(painter: Painter) -> Iterator[Cell]:
    for prompt in SHOWN:
        yield painter.paint(prompt, SEED), prompt


def _grid(painter: Painter) -> Iterator[Cell]:
    for steps in GRID_STEPS:
        for cfg in GRID_CFG:
            picture = Painter(painter.pipeline, Sampling(steps, cfg)).paint(GRID_PROMPT, SEED)
            yield picture, f"{steps} steps, CFG {cfg:g}"


def _seeds(painter: Painter) -> Iterator[Cell]:
    for prompt in SEEDED:
        for seed in SEEDS:
            yield painter.paint(prompt, seed), f"{prompt}, seed {seed}"


def _negatives(painter: Painter) -> Iterator[Cell]:
    for prompt, negative, seed in NEGATIVES:
        yield painter.paint(prompt, seed), prompt
        yield painter.paint(prompt, seed, negative), f"{prompt}, negative: {negative}"


def _from_image(painter: Painter) -> Iterator[Cell]:
    for first, then in FROM_IMAGE:
        picture = painter.paint(first, SEED)
        yield picture, f"given: {first}"
        for strength in STRENGTHS:
            changed = painter.repaint(picture, strength, then, SEED)
            yield changed, f"{then}, strength {strength}"


def _sizes(painter: Painter) -> Iterator[Cell]:
    for prompt, sizes in SHAPED:
        for size in sizes:
            yield painter.paint(prompt, SEED, size=size), f"{prompt}, {size[0]} x {size[1]}"


def _styles(painter: Painter, loras: Path) -> Iterator[Cell]:
    pipeline = painter.pipeline
    for style in STYLES:
        load_style(pipeline, loras, style)
    for prompt in STYLED:
        pipeline.disable_lora()
        yield painter.paint(prompt, SEED), prompt
        pipeline.enable_lora()
        for style in STYLES:
            for way in STYLED_WAYS:
                (picture,) = paint_styled(pipeline, style, [prompt], way, seed=SEED)
                word = f"{style}, " * way.with_word
                yield picture, f"{word}{prompt} ({style} {way.weight:g})"
    pipeline.unload_lora_weights()


def _developing(painter: Painter) -> Iterator[Cell]:
    """The clean latents predicted at some steps, one flat block a latent, and the end."""
    for prompt in DEVELOPING:
        predicted: list[Picture] = []
        final = _watched(painter, prompt, predicted)
        for number in SHOWN_STEPS:
            yield predicted[number - 1], f"step {number}"
        yield final, f"{prompt}"


def _watched(painter: Painter, prompt: str, predicted: list[Picture]) -> Picture:
    """Paints, and notes the clean picture predicted at each step."""
    scheduler = painter.pipeline.scheduler
    step = scheduler.step

    def watched(*arguments: Any, **options: Any) -> Any:
        result = step(*arguments, **{**options, "return_dict": True})
        predicted.append(_preview(result.pred_original_sample))
        return (result.prev_sample,)

    scheduler.step = watched
    try:
        return painter.paint(prompt, SEED)
    finally:
        del scheduler.step


def _preview(latents: torch.Tensor) -> Picture:
    """Latents [1, 8, 16, 16] as a picture [128, 128, 3]."""
    pixels = to_rgb(latents.float())[0].clamp(0, 1).permute(1, 2, 0).numpy()
    block = (pixels * 255).round().astype(np.uint8)
    return np.asarray(Image.fromarray(block).resize((SIDE, SIDE), Image.Resampling.NEAREST))
