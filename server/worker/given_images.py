"""The images that a task begins with, and what of the first is redrawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from server.generation import GenerationParams, Task
from server.worker import masks
from server.worker.input_image import fit, open_upright


@dataclass(frozen=True)
class GivenImages:
    """What a task begins with.

    Attributes:
        images: upright and RGB, in the order of the parameters' `image_sources`, masks left out.
        mask: of the size of the image to make, as `masks` has them; None: all is redrawn. With a
            mask the first of `images` is cut to that size too.
    """

    images: list[Image.Image]
    mask: Image.Image | None = None

    @classmethod
    def of(cls, task: Task[GenerationParams]) -> GivenImages:
        """Open the files of a task."""
        params, paths = task.params, list(task.inputs)
        mask_path = paths.pop() if _has_mask(params) else None
        images = [open_upright(path) for path in paths]
        if mask_path is None:
            return cls(images)
        size = params.width, params.height
        mask = masks.laid_over(masks.open_mask(mask_path), images[0], *size)
        return cls([fit(images[0], *size), *images[1:]], mask)

    def finished(self, made: Image.Image) -> Image.Image:
        """The finished image: with a mask, what is kept is exactly that of the initial image."""
        if self._shown is None:
            return made
        return Image.composite(made, self.images[0], self._shown)

    @cached_property
    def _shown(self) -> Image.Image | None:
        return None if self.mask is None else masks.feathered(self.mask)


def _has_mask(params: GenerationParams) -> bool:
    """Whether the last of the request's images is a mask."""
    word = params.mask_word
    return word is not None and getattr(params, word) is not None
