"""Jobs with LoRAs of all families in one worker, in random order, beside those of fresh workers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.families import lora_files, lora_merging, plain_diffusers
from tests.families.lora_models import FAMILIES
from tests.servers import ServerProcess

pytestmark = pytest.mark.slow

WORK = {"width": 64, "height": 64, "steps": 2, "seed": 4}
JOBS = 50

#: What a job may have: LoRAs by their number, and weights.
SETS = ((), ((0, 1.0),), ((1, -0.6), (0, 0.5)), ((2, 0.8),))


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LoRAs of each family's small pipeline, which also change text encoders where there are two
    CLIPs; the encoders are in memory once for all that have them."""
    found = tmp_path_factory.mktemp("loras")
    for name in FAMILIES:
        pipe = plain_diffusers.load(tiny(name))
        layers = list(lora_files.modules_of(lora_merging.denoiser(pipe)).items())
        encoders = {}
        if name in ("sdxl-base", "sd-3.5"):
            shapes = lora_files.modules_of(pipe.text_encoder)
            encoders[1] = {key: shape for key, shape in shapes.items() if ".layers." in key}
        for number, network in enumerate(("lora", "lokr", "loha")):
            lora_files.write(
                found / f"{name}-{number}.safetensors",
                dict(layers[number::2]),
                "kohya",
                network,
                encoders=encoders if network == "lora" else None,
                gain=0.3,
                alpha=2,
                seed=number,
            )
    return found


@pytest.fixture
def start(tiny_config: Path, folder: Path, tmp_path: Path) -> Callable[..., Any]:
    def of(name: str, *options: str) -> ServerProcess:
        data = tmp_path / name
        (data / "loras").mkdir(parents=True)
        for path in folder.iterdir():
            (data / "loras" / path.name).hardlink_to(path)
        known = ("--config", str(tiny_config), "--device", "cpu", "--no-preload")
        return ServerProcess(data, *known, *options)

    return of


def pixels(server: ServerProcess, name: str, chosen: Any) -> bytes:
    """The picture of a job."""
    loras = [{"id": f"{name}-{number}", "weight": weight} for number, weight in chosen]
    body = {"prompt": "a red cat", "model": model_of(name), **WORK, "loras": loras}
    answer = server.client.post("/api/generate", json=body)
    assert answer.status_code == 202, answer.text
    job = server.wait(answer.json()["job_id"])
    assert job["status"] == "completed", job["error"]
    assert all(0 < lora["matched"] <= lora["total"] for lora in job["loras"])
    content = server.client.get(job["images"][0]["url"]).content
    return Image.open(BytesIO(content)).tobytes()


def model_of(name: str) -> str:
    """The card that a small pipeline stands in for."""
    cards = {"flux-2-klein": "flux-2-klein-4b", "sd-3.5": "sd-3.5-medium"}
    return cards.get(name, name)


def fresh(server: ServerProcess) -> Iterator[tuple[tuple[str, Any], bytes]]:
    for name in FAMILIES:
        for chosen in SETS:
            yield (name, chosen), pixels(server, name, chosen)


@pytest.mark.timeout(1500)
def test_every_job_is_as_in_a_worker_of_its_own(start: Callable[..., Any]) -> None:
    with start("fresh", "--keep-alive", "0") as server:
        server.client.post("/api/loras/rescan")
        expected = dict(fresh(server))
    assert len(set(expected.values())) == len(expected), "every LoRA shows"
    choice = random.Random(7)
    with start("one") as server:
        server.client.post("/api/loras/rescan")
        for name in FAMILIES:
            for _ in range(JOBS):
                # Now and then another family in between: they share text encoders.
                here = name if choice.random() < 0.8 else choice.choice(list(FAMILIES))
                chosen = choice.choice(SETS)
                assert pixels(server, here, chosen) == expected[here, chosen]
