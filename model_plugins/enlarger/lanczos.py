"""Lanczos' filter, as Pillow has it, strip by strip."""

from __future__ import annotations

from PIL import Image

from darkroom import StepListener

#: Pixels of the result that are made at a time: tens of milliseconds, so that a cancel acts soon.
STRIP = 1_000_000


class Lanczos:
    """Enlarges by Lanczos' filter, byte for byte as `Image.resize` does in one go."""

    def enlarge(self, image: Image.Image, scale: int, on_step: StepListener) -> Image.Image:
        """See `Enlarger`; a part is a strip of rows."""
        width, height = image.width * scale, image.height * scale
        rows = max(1, STRIP // (width * scale))
        tops = range(0, image.height, rows)
        # In one go it is the same: first along the rows, rounded, then along the columns. Of strips
        # that are smaller than the image Pillow may take the columns first.
        wide = image.resize((width, image.height), Image.Resampling.LANCZOS)
        result = Image.new("RGB", (width, height))
        for number, top in enumerate(tops, start=1):
            bottom = min(top + rows, image.height)
            size, box = (width, (bottom - top) * scale), (0, top, width, bottom)
            # The filter looks beyond a box at the rest of the image: strips leave no seams.
            strip = wide.resize(size, Image.Resampling.LANCZOS, box=box)
            result.paste(strip, (0, top * scale))
            on_step(number, len(tops))
        return result
