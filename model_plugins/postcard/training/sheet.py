"""A contact sheet: pictures in rows, each with its caption beneath."""

from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from .drawing import Picture

Cell: TypeAlias = tuple[Picture, str]

SIDE, GAP = 128, 8  # pixels
PAPER, INK = (250, 249, 246), (40, 40, 44)
FONT_SIZE, LINE_HEIGHT, LINE_LENGTH = 10, 12, 24  # pixels, pixels, characters


def save_sheet(path: Path, cells: list[Cell], columns: int) -> None:
    """Saves a sheet of pictures [height, width, 3] that fill ``columns`` a row, in their order."""
    captions = [_wrapped(caption) for _, caption in cells]
    below = 4 + LINE_HEIGHT * max(caption.count("\n") + 1 for caption in captions)
    tall = max(picture.shape[0] for picture, _ in cells)
    wide = max(SIDE, *(picture.shape[1] for picture, _ in cells))
    rows = -(-len(cells) // columns)
    size = (columns * (wide + GAP) + GAP, rows * (tall + below + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    for number, ((picture, _), caption) in enumerate(zip(cells, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * (wide + GAP), GAP + row * (tall + below + GAP)
        sheet.paste(Image.fromarray(picture), (left, top + tall - picture.shape[0]))
        pen.multiline_text((left, top + tall + 2), caption, INK, font, spacing=1)
    sheet.save(path, optimize=True)


def _wrapped(caption: str) -> str:
    lines = [""]
    for word in caption.split():
        if lines[-1] and len(lines[-1]) + len(word) > LINE_LENGTH:
            lines.append("")
        lines[-1] += word + " "
    return "\n".join(lines)
