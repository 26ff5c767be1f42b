"""Contact sheets: what the exported model really paints, with the prompts beneath."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .evaluate import Sampling, paint
from .latents import to_rgb

SEED = 7
COLUMNS, CELL, GAP, CAPTION = 6, 128, 8, 40
PAPER, INK = (250, 249, 246), (40, 40, 44)
FONT_SIZE, LINE_LENGTH = 10, 24  # pixels; characters
SHEET_PROMPTS = (
    "a big red star on a blue background",
    "a yellow circle on the left on a purple ground",
    "a green square at the top right on a white ground",
    "a pink heart on a black background",
    "a cyan ring above an orange diamond on a green ground",
    "a white triangle beside a red circle on a blue ground",
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
STEPS_PROMPT = "the sea at sunset with the sun and a red boat"
SHOWN_STEPS = (1, 2, 4, 6, 8, 12, 16, 20)


def draw_sheet(pipeline: Any, path: Path, sampling: Sampling) -> None:
    """Paints ``SHEET_PROMPTS``, all with one seed, and saves the sheet."""
    cells = [paint(pipeline, prompt, SEED, sampling) for prompt in SHEET_PROMPTS]
    _arrange(cells, SHEET_PROMPTS, COLUMNS).save(path, optimize=True)


def draw_steps(pipeline: Any, path: Path, sampling: Sampling) -> None:
    """Saves how one picture grows: the clean latents predicted at each step, and the end."""
    predicted: list[NDArray[np.uint8]] = []
    scheduler = pipeline.scheduler
    step = scheduler.step

    def watched(*arguments: Any, **options: Any) -> Any:
        result = step(*arguments, **{**options, "return_dict": True})
        predicted.append(_preview(result.pred_original_sample))
        return (result.prev_sample,)

    scheduler.step = watched
    try:
        final = paint(pipeline, STEPS_PROMPT, SEED, sampling)
    finally:
        del scheduler.step
    shown = [number for number in SHOWN_STEPS if number <= sampling.steps]
    cells = [*(predicted[number - 1] for number in shown), final]
    captions = [*(f"step {number}" for number in shown), "decoded"]
    _arrange(cells, tuple(captions), len(cells)).save(path, optimize=True)


def _preview(latents: torch.Tensor) -> NDArray[np.uint8]:
    """Latents [1, 8, 16, 16] as a picture [128, 128, 3], one flat block a latent."""
    pixels = to_rgb(latents.float())[0].clamp(0, 1).permute(1, 2, 0).numpy()
    block = (pixels * 255).round().astype(np.uint8)
    return np.asarray(Image.fromarray(block).resize((CELL, CELL), Image.Resampling.NEAREST))


def _arrange(
    cells: list[NDArray[np.uint8]], captions: tuple[str, ...], columns: int
) -> Image.Image:
    rows = -(-len(cells) // columns)
    size = (columns * (CELL + GAP) + GAP, rows * (CELL + CAPTION + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    for number, (cell, caption) in enumerate(zip(cells, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * (CELL + GAP), GAP + row * (CELL + CAPTION + GAP)
        sheet.paste(Image.fromarray(cell), (left, top))
        pen.multiline_text((left, top + CELL + 2), _wrapped(caption), INK, font, spacing=1)
    return sheet


def _wrapped(caption: str) -> str:
    lines = [""]
    for word in caption.split():
        if len(lines[-1]) + len(word) > LINE_LENGTH:
            lines.append("")
        lines[-1] += word + " "
    return "\n".join(lines)
