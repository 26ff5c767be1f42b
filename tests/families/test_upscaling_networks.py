"""Upscalers that are networks, loaded by the real spandrel in a real server's worker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from darkroom import LoadContext, ModelLoadFailed
from model_plugins.enlarger.network import load
from server.plugins.types import ModelCard
from tests.families.pictures import data_uri
from tests.servers import ServerProcess
from tests.support import PLUGINS

needs_spandrel = pytest.mark.skipif(
    find_spec("spandrel") is None,
    reason="spandrel is not installed; `make test` installs it without torchvision",
)

CONFIGURATION = f"""
plugin_folder = "{PLUGINS}"
default_model = "colours"
device = "cpu"
preload = false
"""

Tensors = dict[str, torch.Tensor]


def entry(name: str) -> str:
    return f"""
[[models]]
id = "{name}"
family = "enlarger"
source = "./{name}.safetensors"
"""


def weights(scale: int, inputs: int = 3, features: int = 8) -> Tensors:
    """A small network of the kind that spandrel calls Compact, with random weights."""
    torch.manual_seed(scale)
    sizes = [(features, inputs), (features, features), (inputs * scale**2, features)]
    found: Tensors = {}
    for place, (after, before) in enumerate(sizes):
        found[f"body.{2 * place}.weight"] = torch.randn(after, before, 3, 3) * 0.1
        found[f"body.{2 * place}.bias"] = torch.randn(after) * 0.05
        if place < 2:
            found[f"body.{2 * place + 1}.weight"] = torch.rand(features)
    return found


def computed(tensors: Tensors, image: Image.Image, scale: int) -> Image.Image:
    """What the network makes of the whole image, in plain torch."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    x = pixels
    for place in (0, 2, 4):
        x = torch.conv2d(
            x, tensors[f"body.{place}.weight"], tensors[f"body.{place}.bias"], padding=1
        )
        if place < 4:
            x = torch.prelu(x, tensors[f"body.{place + 1}.weight"])
    base = torch.nn.functional.interpolate(pixels, scale_factor=scale, mode="nearest")
    larger = (torch.pixel_shuffle(x, scale) + base)[0].clamp(0, 1)
    return Image.fromarray((larger * 255).round().byte().permute(1, 2, 0).contiguous().numpy())


FILES = {
    "net-4x": weights(4),
    "net-2x": weights(2),
    "restorer": weights(1),
    "grey": weights(2, inputs=1),
    "stranger": {"some.weight": torch.zeros(3, 3)},
    "odd": {"body.0.weight": torch.zeros(8, 3, 3, 3), "body.1.weight": torch.zeros(8)},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the networks, and a configuration that names them."""
    folder = tmp_path_factory.mktemp("networks")
    for name, tensors in FILES.items():
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / "darkroom.toml").write_text(CONFIGURATION + "".join(map(entry, FILES)))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder / "data", "--config", str(folder / "darkroom.toml")) as running:
        yield running


def picture(width: int, height: int) -> Image.Image:
    down, across = np.mgrid[0:height, 0:width]
    pixels = np.stack([down * 3, across * 2, down * across // 7], axis=-1) % 256
    return Image.fromarray(pixels.astype(np.uint8))


def ended(server: ServerProcess, model: str, image: Image.Image, scale: int) -> dict[str, Any]:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    body = {"model": model, "init_image": data_uri(buffer.getvalue()), "scale": scale}
    answer = server.client.post("/api/generate", json=body)
    assert answer.status_code == 202, answer.text
    return server.wait(answer.json()["job_id"])


def enlarged(server: ServerProcess, model: str, image: Image.Image, scale: int) -> Image.Image:
    shown = ended(server, model, image, scale)
    assert shown["status"] == "completed", shown["error"]
    content = server.png(shown["images"][0]["filename"])
    return Image.open(BytesIO(content), formats=("PNG",))


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest of all pixels and channels, in levels of 256."""
    assert one.size == other.size
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


@needs_spandrel
@pytest.mark.parametrize(("model", "native"), [("net-4x", 4), ("net-2x", 2)])
def test_a_network_makes_what_plain_torch_makes(
    server: ServerProcess, model: str, native: int
) -> None:
    image = picture(60, 40)
    made = enlarged(server, model, image, native)
    expected = computed(FILES[model], image, native)
    # The last bit of a sum may depend on the order in which torch takes it.
    assert difference(made, expected) <= 1
    plain = image.resize(made.size, Image.Resampling.LANCZOS)
    assert difference(made, plain) > 20, "it does something of its own"


@needs_spandrel
@pytest.mark.parametrize(("model", "native", "scale"), [("net-4x", 4, 3), ("net-2x", 2, 5)])
def test_other_scales_are_reached_and_shrunk_to(
    server: ServerProcess, model: str, native: int, scale: int
) -> None:
    image = picture(60, 40)
    expected = image
    while expected.width < image.width * scale:
        expected = computed(FILES[model], expected, native)
    expected = expected.resize((60 * scale, 40 * scale), Image.Resampling.LANCZOS)
    assert difference(enlarged(server, model, image, scale), expected) <= 2


@needs_spandrel
def test_a_large_image_is_made_in_tiles_that_nobody_sees(server: ServerProcess) -> None:
    image = picture(500, 290)  # three tiles beside each other, in two rows
    made = enlarged(server, "net-2x", image, 2)
    assert difference(made, computed(FILES["net-2x"], image, 2)) <= 1


@needs_spandrel
@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("restorer", "is for Restoration, it is no upscaler"),
        ("grey", "turns 1 channels into 1"),
        ("stranger", "has no architecture that spandrel knows"),
        ("odd", "spandrel cannot make a model of odd.safetensors"),
    ],
)
def test_a_file_that_is_no_upscaler_is_told_so(
    server: ServerProcess, model: str, says: str
) -> None:
    shown = ended(server, model, picture(20, 20), 2)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "model_load_failed")
    assert says in shown["error"]["message"]


def test_a_network_is_listed_as_an_upscaler(server: ServerProcess) -> None:
    models = {model["id"]: model for model in server.get("/api/models")["models"]}
    assert models["net-4x"]["capabilities"] == ["upscale"]
    assert models["net-4x"]["disk_bytes"] > 0
    assert server.get("/api/info", params={"model": "net-4x"})["model"] == "net-4x"


def test_without_spandrel_it_is_said_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    path = folder / "net-4x.safetensors"
    card = ModelCard("net-4x", "", str(path))
    with pytest.raises(ModelLoadFailed, match=r"pip install 'darkroom\[spandrel\]'"):
        load(card, LoadContext(path, "cpu", "float32"))


@pytest.mark.parametrize("name", ["net.pth", "net.gguf", ""])
def test_other_files_than_safetensors_are_never_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name:
        path.write_bytes(b"\x80\x04a pickle")
    with pytest.raises(ModelLoadFailed, match=r"\.safetensors"):
        load(ModelCard("net", "", str(path)), LoadContext(path, "cpu", "float32"))
