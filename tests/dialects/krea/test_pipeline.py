"""The model that the documentation names, as a small pipeline of its real classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.dialects.krea.asking import SMALL, Address, generated
from tests.families.build import build, write_config
from tests.servers import PATIENCE, ServerProcess

# A quarter of a minute of a processor for what the other tests of this folder show without a model.
pytestmark = pytest.mark.slow

MODEL = "flux-schnell"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("tiny")
    build(MODEL, folder / MODEL)
    config = write_config(folder, [MODEL])
    with config.open("a") as file:
        file.write(f'\n[dialects.krea]\nmodel = "{MODEL}"\n')
    options = ("--config", str(config), "--device", "cpu", "--no-preload", "--listen", "krea=0")
    with ServerProcess(folder / "data", *options) as running:
        yield running


def test_the_named_model_makes_an_image_and_the_worker_tells_its_device(
    server: ServerProcess, tmp_path: Path
) -> None:
    with httpx.Client(timeout=PATIENCE) as client:
        address = Address(server.url_of("krea"), client)
        before = address.get("/status").json()
        image = generated(address.generate({**SMALL, "seed": 3}))
        after, health = address.get("/status").json(), address.get("/health").json()
    assert (before["status"], before["model_loaded"]) == ("pending", False)
    assert (after["status"], after["model_loaded"], after["model"]) == ("ok", True, MODEL)
    assert (health["model"], health["device"]) == (MODEL, "cpu")
    assert image.size == (512, 512)
    assert len(image.getcolors(2**18) or ()) > 1000, "it is no plain colour"
    [made] = server.images()
    assert (made["model"], made["steps"]) == (MODEL, 10), "20 were bent to what it takes"
