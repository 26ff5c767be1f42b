"""The small pipelines of `tests.families.build`, each built once in a session, and a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.families.build import NAMES, build, write_config
from tests.families.variants import entries, write_checkpoints
from tests.servers import ServerProcess


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a pipeline by its name; tests do not write into it."""
    root = tmp_path_factory.mktemp("tiny")

    @cache
    def folder(name: str) -> Path:
        build(name, root / name)
        return root / name

    return folder


@pytest.fixture(scope="session")
def tiny_config(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `darkroom.toml` that lets every card load its small pipeline."""
    folder = tmp_path_factory.mktemp("configured")
    for name in NAMES:
        (folder / name).symlink_to(tiny(name))
    return write_config(folder)


@pytest.fixture(scope="session")
def checkpoints(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The folders of checkpoints of SDXL unlike the published one, by their names."""
    return write_checkpoints(tiny("sdxl-base"), tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="session")
def tiny_server(
    tiny: Callable[[str], Path],
    tiny_config: Path,
    checkpoints: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A server whose cards load their small pipelines, with a preview after every step.

    Several modules use it, so a test names the model that it means, and reckons with other images
    in the gallery. Some of the models are in `tests.families.variants`.
    """
    config = tiny_config.with_name("shared.toml")
    config.write_text(f"{tiny_config.read_text()}\n{entries(tiny, checkpoints)}")
    data = tmp_path_factory.mktemp("server") / "data"
    options = ("--config", str(config), "--device", "cpu", "--preview-interval", "0")
    with ServerProcess(data, "--no-preload", *options) as process:
        yield process


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """More threads only get in each other's way on models this small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bare(tiny: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a small pipeline's folder without the denoiser's weights."""

    def folder(name: str) -> Path:
        copy = shutil.copytree(tiny(name), tmp_path / name)
        for part in ("unet", "transformer"):
            for file in (copy / part).glob("*.safetensors"):
                file.unlink()
        return copy

    return folder
