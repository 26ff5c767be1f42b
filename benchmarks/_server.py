"""A real server process, and jobs of it that are measured from outside."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

from _bare import pixels
from _measuring import ROOT
from PIL import Image

from tests.servers import ServerProcess

assert ROOT  # imported first, because it makes `tests` importable


def serve(folder: Path, *options: str, config: Path | None = None) -> ServerProcess:
    """A server whose data lie in `folder`, and which loads models when they are used."""
    configured = () if config is None else ("--config", str(config))
    return ServerProcess(folder / "data", "--no-preload", *configured, *options)


def write_config(folder: Path, models: Mapping[str, str]) -> Path:
    """A configuration with `models`: their ids, and of which model each is another checkpoint.

    The weights lie in folders beside it that have the ids' names.
    """
    entries = [
        f'[[models]]\nid = "{name}"\nlike = "{like}"\nsource = "{name}"\n'
        for name, like in models.items()
    ]
    config = folder / "darkroom.toml"
    config.write_text("\n".join(entries), encoding="utf-8")
    return config


def job(server: ServerProcess, **words: Any) -> tuple[float, str]:
    """From the request to the last word about the job: the seconds, and the hash of its pixels."""
    began = perf_counter()
    shown = server.wait(server.submit(**words))
    taken = perf_counter() - began
    if shown["status"] != "completed":
        raise SystemExit(f"the job failed: {shown['error']}")
    (image,) = shown["images"]
    return taken, pixels(Image.open(BytesIO(server.png(image["filename"]))))
