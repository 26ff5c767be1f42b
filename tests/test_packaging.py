"""What a built wheel holds: all that a server needs besides code, and nothing of the training."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    source = tmp_path_factory.mktemp("source")
    for part in ("darkroom", "server", "model_plugins"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, source / part, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    (source / "dist").mkdir()
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    "name",
    [
        "darkroom/py.typed",
        "server/dialects/cyberimage/examples.json",
        "server/migrations/newest.sql",
        "server/migrations/script.py.mako",
        "model_plugins/postcard/MODEL_CARD.md",
        "model_plugins/postcard/weights/model_index.json",
        "model_plugins/postcard/weights/unet/diffusion_pytorch_model.safetensors",
        "model_plugins/postcard/loras/inkwash.safetensors",
        "model_plugins/postcard/loras/neon.safetensors",
    ],
)
def test_a_wheel_holds_what_a_server_needs(names: list[str], name: str) -> None:
    assert name in names


def test_a_wheel_holds_every_file_of_the_pages(names: list[str]) -> None:
    pages = [p.relative_to(ROOT) for p in (ROOT / "server" / "web").rglob("*") if p.is_file()]
    expected = {p.as_posix() for p in pages if "__pycache__" not in p.parts}
    assert expected and expected <= set(names)


def test_a_wheel_holds_no_training(names: list[str]) -> None:
    assert [name for name in names if "/training" in name] == []
