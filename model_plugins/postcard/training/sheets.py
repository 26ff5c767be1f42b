"""The sheets of the documentation: what the exported model really paints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline
from PIL import Image

from .latents import to_rgb
from .sheet import SIDE, Cell, Picture, save_sheet

SEED = 7
STEPS, CFG = 20, 3.0

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
    ("the sea by day", "clouds", 3),
    ("hills by day", "sun", 2),
    ("mountains at sunset", "clouds", 1),
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
DEVELOPING = ("the sea at sunset with the sun and a red boat", "a big red heart on a cyan ground")
SHOWN_STEPS = (1, 2, 4, 6, 8, 12, 16, 20)


class Ask(NamedTuple):
    """One picture to paint."""

    prompt: str
    seed: int = SEED
    negative: str = ""
    steps: int = STEPS
    cfg: float = CFG
    size: tuple[int, int] = (SIDE, SIDE)

    def paint(self, pipeline: Any, **more: Any) -> Picture:
        """The picture [height, width, 3]; ``more`` goes to the pipeline as it is."""
        width, height = self.size
        options = more if "image" in more else {"width": width, "height": height, **more}
        picture = pipeline(
            self.prompt,
            negative_prompt=self.negative,
            num_inference_steps=self.steps,
            guidance_scale=self.cfg,
            generator=torch.Generator().manual_seed(self.seed),
            **options,
        ).images[0]
        return np.asarray(picture)


def draw_sheets(pipeline: Any, folder: Path, loras: Path) -> None:
    """Paints every sheet into the folder; ``loras`` holds the adapters of ``postcard-loras``."""
    sheets = {
        "sheet": (_prompts(pipeline), 6),
        "cfg-steps": (_grid(pipeline), len(GRID_CFG)),
        "seeds": (_seeds(pipeline), len(SEEDS)),
        "negative": (_negatives(pipeline), 2 * len(NEGATIVES)),
        "image-to-image": (_from_image(pipeline), len(STRENGTHS) + 1),
        "sizes": (_sizes(pipeline), 4),
        "steps": (_developing(pipeline), len(SHOWN_STEPS) + 1),
        "loras": (_styles(pipeline, loras), 7),
    }
    for name, (cells, columns) in sheets.items():
        save_sheet(folder / f"postcard-{name}.png", list(cells), columns)


def _prompts(pipeline: Any) -> Iterator[Cell]:
    for prompt in SHOWN:
        yield Ask(prompt).paint(pipeline), prompt


def _grid(pipeline: Any) -> Iterator[Cell]:
    for steps in GRID_STEPS:
        for cfg in GRID_CFG:
            picture = Ask(GRID_PROMPT, steps=steps, cfg=cfg).paint(pipeline)
            yield picture, f"{steps} steps, CFG {cfg:g}"


def _seeds(pipeline: Any) -> Iterator[Cell]:
    for prompt in SEEDED:
        for seed in SEEDS:
            yield Ask(prompt, seed).paint(pipeline), f"{prompt}, seed {seed}"


def _negatives(pipeline: Any) -> Iterator[Cell]:
    for prompt, negative, seed in NEGATIVES:
        yield Ask(prompt, seed).paint(pipeline), prompt
        yield Ask(prompt, seed, negative).paint(pipeline), f"{prompt}, negative: {negative}"


def _from_image(pipeline: Any) -> Iterator[Cell]:
    image_pipeline = StableDiffusionXLImg2ImgPipeline(**pipeline.components)
    image_pipeline.set_progress_bar_config(disable=True)
    for first, then in FROM_IMAGE:
        picture = Ask(first).paint(pipeline)
        yield picture, f"given: {first}"
        for strength in STRENGTHS:
            image = Image.fromarray(picture)
            changed = Ask(then).paint(image_pipeline, image=image, strength=strength)
            yield changed, f"{then}, strength {strength}"


def _sizes(pipeline: Any) -> Iterator[Cell]:
    for prompt, sizes in SHAPED:
        for size in sizes:
            yield Ask(prompt, size=size).paint(pipeline), f"{prompt}, {size[0]} x {size[1]}"


def _styles(pipeline: Any, loras: Path) -> Iterator[Cell]:
    names = sorted(path.stem for path in loras.glob("*.safetensors"))
    for name in names:
        pipeline.load_lora_weights(loras, weight_name=f"{name}.safetensors", adapter_name=name)
    for prompt in STYLED:
        pipeline.disable_lora()
        yield Ask(prompt).paint(pipeline), prompt
        pipeline.enable_lora()
        for name in names:
            for asked, weight in (
                (prompt, 1.0),
                (f"{name}, {prompt}", 0.5),
                (f"{name}, {prompt}", 1.0),
            ):
                pipeline.set_adapters([name], [weight])
                yield Ask(asked).paint(pipeline), f"{asked} ({name} {weight:g})"
    pipeline.unload_lora_weights()


def _developing(pipeline: Any) -> Iterator[Cell]:
    """The clean latents predicted at some steps, one flat block a latent, and the end."""
    for prompt in DEVELOPING:
        predicted: list[Picture] = []
        final = _watched(pipeline, prompt, predicted)
        for number in SHOWN_STEPS:
            yield predicted[number - 1], f"step {number}"
        yield final, f"{prompt}"


def _watched(pipeline: Any, prompt: str, predicted: list[Picture]) -> Picture:
    scheduler = pipeline.scheduler
    step = scheduler.step

    def watched(*arguments: Any, **options: Any) -> Any:
        result = step(*arguments, **{**options, "return_dict": True})
        predicted.append(_preview(result.pred_original_sample))
        return (result.prev_sample,)

    scheduler.step = watched
    try:
        return Ask(prompt).paint(pipeline)
    finally:
        del scheduler.step


def _preview(latents: torch.Tensor) -> Picture:
    """Latents [1, 8, 16, 16] as a picture [128, 128, 3]."""
    pixels = to_rgb(latents.float())[0].clamp(0, 1).permute(1, 2, 0).numpy()
    block = (pixels * 255).round().astype(np.uint8)
    return np.asarray(Image.fromarray(block).resize((SIDE, SIDE), Image.Resampling.NEAREST))
