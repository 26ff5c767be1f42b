"""What encoding one image costs: its PNG with the recipe, and its thumbnail.

    python benchmarks/encoding.py [--rounds 9] [--edge 1024]

Beside it the PNG of Pillow at its fastest level, which the same recipe goes into. Encoding runs on
a thread of its own, and lets the generation thread go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from _measuring import ROOT, median, ratio, seconds, table, turns
from PIL import Image

from server import pnginfo
from server.worker import encode

RECIPE = {
    "prompt": "masterpiece, best quality, 1girl, solo, long blonde hair, flower garden",
    "negative_prompt": "worst quality, low quality, blurry",
    "seed": 42,
    "steps": 28,
    "cfg_scale": 5.0,
    "sampler": "euler_a",
    "width": 1024,
    "height": 1024,
    "model": "benchmark",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--edge", type=int, default=1024)
    given = parser.parse_args()
    encode.warm_up()
    made = pictures(given.edge).items()
    rows = [measure(name, picture, given.rounds) for name, picture in made]
    table(f"Encoding, {given.edge} × {given.edge}, median of {given.rounds}", rows)


def pictures(edge: int) -> dict[str, Image.Image]:
    """Easy, usual and impossible to compress."""
    sheet = Image.open(ROOT / "docs" / "pictures" / "postcard-sheet.png").convert("RGB")
    times = (1 + edge // sheet.height, 1 + edge // sheet.width, 1)
    drawn = np.tile(np.asarray(sheet), times)[:edge, :edge]
    generator = np.random.default_rng(0)
    return {
        "drawn by the embedded model": Image.fromarray(drawn),
        "like a photograph": photograph(edge, generator),
        "noise": Image.fromarray(generator.integers(0, 256, (edge, edge, 3), np.uint8)),
    }


def photograph(edge: int, generator: np.random.Generator) -> Image.Image:
    """Amplitudes that fall with the frequency as a photograph's do, and a sensor's noise."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(edge), np.fft.fftfreq(edge)))
    frequency[0, 0] = np.inf
    white = generator.standard_normal((3, edge, edge))
    fields = np.fft.ifft2(np.fft.fft2(white) / frequency**1.3).real
    fields /= fields.std(axis=(1, 2), keepdims=True)
    brightness, *hues = fields
    channels = [brightness + 0.2 * hue for hue in (hues[0], hues[1], -hues[0])]
    levels = 128 + 48 * np.stack(channels, -1) + 2 * generator.standard_normal((edge, edge, 3))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def with_pillow(image: Image.Image) -> bytes:
    """The same file as `encode.png` makes, by Pillow."""
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1, pnginfo=pnginfo.chunks(RECIPE))
    return buffer.getvalue()


def measure(name: str, image: Image.Image, rounds: int) -> dict[str, Any]:
    """One picture, the encoders in turns."""
    work: list[Callable[[], bytes]] = [
        lambda: encode.png(image, RECIPE),
        lambda: with_pillow(image),
        lambda: encode.thumbnail(image),
    ]
    ours, theirs, small = turns(rounds, *(lambda each=each: seconds(each) for each in work))
    png, pillow, _ = (each() for each in work)
    return {
        "picture": name,
        "PNG and recipe": f"{1000 * median(ours):.1f} ms",
        "Pillow, level 1": f"{1000 * median(theirs):.1f} ms",
        "time, ratio": ratio(ours, theirs),
        "size": f"{len(png) / 1e6:.2f} MB",
        "size, ratio": f"{len(png) / len(pillow):.3f}",
        "thumbnail": f"{1000 * median(small):.1f} ms",
    }


if __name__ == "__main__":
    main()
