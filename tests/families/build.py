"""Small pipelines with random weights, in the published layout, built offline within seconds.

    python -m tests.families.build OUT [names]

Each has the real pipeline class, scheduler configuration, text encoders and latent geometry of its
family (channels, VAE factor, scaling and shift, packing); everything else is as small as works.
`OUT/darkroom.toml` lets the cards of the families load them instead of the published weights.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path

CONFIG_NAME = "darkroom.toml"

#: The module of `tests.families.tiny` that makes each pipeline.
MODULES = {
    "sdxl-base": "sdxl",
    "flux-dev": "flux",
    "flux-schnell": "flux",
    "chroma": "chroma",
    "z-image-turbo": "z_image",
    "flux-2-klein": "flux2",
    "sd-3.5": "sd3",
}

NAMES = tuple(MODULES)

#: The pipeline that stands in for each published model, by the id of its card.
STAND_INS = {
    "sdxl-base": "sdxl-base",
    "illustrious-xl": "sdxl-base",
    "flux-dev": "flux-dev",
    "flux-schnell": "flux-schnell",
    "flux-krea-dev": "flux-dev",
    "flux-abliterated": "flux-dev",
    "chroma-hd": "chroma",
    "chroma-base": "chroma",
    "chroma-flash": "chroma",
    "z-image-turbo": "z-image-turbo",
    "flux-2-klein-4b": "flux-2-klein",
    "flux-2-klein-9b": "flux-2-klein",
    "sd-3.5-large": "sd-3.5",
    "sd-3.5-medium": "sd-3.5",
    "sd-3.5-large-turbo": "sd-3.5",
}


def build(name: str, folder: Path) -> None:
    """Write one pipeline into `folder`, which is created; every build has the same bytes.

    Raises:
        KeyError: no pipeline has this name; `NAMES` lists them.
    """
    # Imported here, because torch and diffusers take seconds that --help must not wait for.
    module = import_module(f"tests.families.tiny.{MODULES[name]}")
    module.pipeline(name).save_pretrained(folder)


def write_config(folder: Path, names: Collection[str] = NAMES) -> Path:
    """Write `folder/darkroom.toml`: each card that one of `names` stands in for, with its source.

    Sources are relative to the file, so the folder can be moved.
    """
    config = folder / CONFIG_NAME
    entries = (
        f'[[models]]\nid = "{card}"\nsource = "{name}"\n'
        for card, name in STAND_INS.items()
        if name in names
    )
    config.write_text("\n".join(entries), encoding="utf-8")
    return config


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.families.build",
        description="Build small random-weight pipelines in the diffusers layout, offline.",
        epilog=f"OUT/{CONFIG_NAME} is written too: the server's cards then use these pipelines.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write OUT/NAME into")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="names",
        help=f"which to build: {', '.join(NAMES)} (default: all)",
    )
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in MODULES]:
        parser.error(f"no such pipeline: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    names = given.names or NAMES
    # Read when transformers is imported, which build() does.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name in names:
        build(name, given.out / name)
        print(given.out / name)
    print(write_config(given.out, names))


if __name__ == "__main__":
    main()
