"""Upscalers: a given image larger, by Lanczos' filter or by a network."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from darkroom import ImageParams, ImageSource, Integer, ModelCard, ModelFamily, hookimpl

#: Where Lanczos' card says that its weights are; it has none.
SOURCE = "package:model_plugins.enlarger"

#: A picture of 24 × 16 pixels to try it with: a ship at sunset.
PICTURE = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAQBAMAAAD+CqKmAAAAD1BMVEX6vm7weFAePG7/8L4UHjwSPCH7AAAASElEQVR4"
    "2p3MwQ2AIBBE0SfaAB0QKyCx/1bMVkI8CBiu/tP+md3lPzukPtcLR9azPJtC6VIFMZuX7ZQK97hsNEOEmGsfy4NFHkbS"
    "B9S1vZLrAAAAAElFTkSuQmCC"
)


class UpscaleParams(ImageParams):
    """A request for a larger image. It is `scale` times as wide and as high as the given one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"init_image": PICTURE}, {"init_image": PICTURE, "scale": 3}]
        }
    )

    image_words = ("init_image",)

    prompt: str = Field(
        "",
        max_length=10_000,
        description="Kept with the image, where searches find it; no upscaler reads it. Empty: "
        "that of the gallery's image that is enlarged.",
    )
    num_images: Integer = Field(1, ge=1, le=1, description="One image makes one image.")
    init_image: ImageSource = Field(
        examples=[PICTURE],
        description="The image to enlarge, as a data URI (PNG, JPEG or WebP) or the file name of "
        "an image of the gallery. It is turned upright, and what is transparent becomes white.",
    )
    scale: Integer = Field(
        2,
        ge=2,
        le=8,
        description="How many times as wide and as high it becomes. The result may have as many "
        "pixels as the setting `max_image_pixels` allows.",
    )

    @property
    def enlargement(self) -> int:
        """See `ImageParams`."""
        return self.scale


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family with its one upscaler that needs no weights."""
    card = ModelCard(
        id="lanczos",
        title="Lanczos",
        source=SOURCE,
        license="Apache-2.0",
        description="Lanczos' filter: sharp edges, nothing invented, no weights.",
        bundled=True,
    )
    return [
        ModelFamily(
            name="enlarger",
            title="Upscalers",
            params=UpscaleParams,
            load="model_plugins.enlarger.pipeline:load",
            cards=(card,),
            capabilities=frozenset({"upscale"}),
        )
    ]
