"""A gallery of any size, without making its pictures one by one."""

from __future__ import annotations

import colorsys
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from sqlalchemy import insert

from server.database import Database, images

#: So many different pictures there are; the others are links to them.
COLOURS = 48
EDGE = 64
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def fill(data: Path, count: int) -> list[str]:
    """Put so many images with rows, files and thumbnails into the data folder of a server that does
    not run yet; their file names, oldest first. Number N was asked for as `picture N`."""
    pictures, thumbs = data / "images", data / "thumbs"
    for folder in (pictures, thumbs):
        folder.mkdir(parents=True)
    names = [name_of(number) for number in range(count)]
    for number, name in enumerate(names):
        if number < COLOURS:
            _paint(number, pictures / name, thumbs / name)
        else:
            for folder in (pictures, thumbs):
                os.link(folder / names[number % COLOURS], folder / name)
    database = Database(data / "darkroom.db")
    with database.writing() as connection:
        rows = [_row(number, name) for number, name in enumerate(names)]
        connection.execute(insert(images), rows)
    database.close()
    return names


def name_of(number: int) -> str:
    """What the file of an image is called."""
    return f"20260101_000000_{number:08x}_0.png"


def _paint(number: int, picture: Path, thumb: Path) -> None:
    red, green, blue = colorsys.hsv_to_rgb(number / COLOURS, 0.6, 0.9)
    colour = (round(red * 255), round(green * 255), round(blue * 255))
    Image.new("RGB", (EDGE, EDGE), colour).save(picture, "PNG")
    Image.new("RGB", (EDGE // 2, EDGE // 2), colour).save(thumb, "WEBP")


def _row(number: int, name: str) -> dict[str, object]:
    recipe = {"prompt": f"picture {number}", "seed": number, "steps": 4, "num_images": 1}
    return {
        "filename": name,
        "job_id": name.removesuffix("_0.png"),
        "index": 0,
        "model": "colours" if number % 2 else "colours-four-step",
        "family": "colours",
        "prompt": recipe["prompt"],
        "width": EDGE,
        "height": EDGE,
        "recipe": recipe,
        "created_at": BEGAN + timedelta(seconds=number),
        "seconds": 0.1,
        "size": 200,
    }
