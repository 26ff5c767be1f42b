"""The guide's request with a LoRA, from a civitai to the recipe of its image, in real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from server import pnginfo
from tests.fake_civitai import CIVITAI_KEY
from tests.fake_sources import FakeSources
from tests.families import lora_files, lora_merging, plain_diffusers
from tests.families.test_guide_bodies import WITH_LORA, body_of
from tests.servers import ServerProcess

VERSION, MODEL = 1963644, 1377820
REF = f"urn:air:sdxl:lora:civitai:{MODEL}@{VERSION}"
SMALL = {"width": 64, "height": 64, "steps": 3, "seed": 11, "sampler": "euler"}

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def style(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA for the small SDXL, as kohya's scripts write them."""
    layers = lora_files.modules_of(plain_diffusers.load(tiny("sdxl-base")).unet)
    blocks = {name: shape for name, shape in layers.items() if "attentions" in name}
    path = tmp_path_factory.mktemp("lora") / "style.safetensors"
    return lora_files.write(path, blocks, "kohya", alpha=2, gain=0.5)


@pytest.fixture(scope="module")
def server(
    tiny_config: Path, style: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("guide")
    with FakeSources() as fake, pytest.MonkeyPatch.context() as environment:
        environment.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
        fake.add_lora(VERSION, MODEL, style.read_bytes())
        config = folder / "darkroom.toml"
        known = f'civitai_url = "{fake.civitai_url}"\nallow_private_sources = true\n'
        models = tiny_config.read_text("utf-8").replace(
            'source = "', f'source = "{tiny_config.parent}/'
        )
        config.write_text(known + 'default_model = "sdxl-base"\ndevice = "cpu"\n' + models)
        with ServerProcess(folder / "data", "--config", str(config), "--no-preload") as process:
            yield process


def add(server: ServerProcess) -> dict[str, Any]:
    """The finished job of the download."""
    answer = server.client.post("/api/loras", json={"ref": REF})
    assert answer.status_code == 202, answer.text
    return server.wait(answer.json()["job_id"])


def finish(server: ServerProcess, body: dict[str, Any]) -> dict[str, Any]:
    answer = server.client.post("/api/generate", json=body)
    assert answer.status_code == 202, answer.text
    return server.wait(answer.json()["job_id"])


def test_from_civitai_to_the_recipe(server: ServerProcess, style: Path, tiny: Any) -> None:
    brought = add(server)
    assert (brought["status"], brought["lora"]) == ("completed", f"civitai_{VERSION}")

    (listed,) = server.client.get("/api/info").json()["available_loras"]
    assert listed["id"] == body_of("sdxl", WITH_LORA)["loras"][0]["id"]
    assert listed["trigger_words"] == ["inkwash", "ink wash", "paper"]
    assert (listed["family"], listed["base_model"]) == ("sdxl", "Illustrious")

    body = body_of("sdxl", WITH_LORA)
    job = finish(server, {**body, **SMALL})
    assert (job["status"], job["error"]) == ("completed", None)
    (lora,) = job["loras"]
    assert (lora["id"], lora["weight"], lora["trigger_weight"]) == (listed["id"], 0.8, 0.5)
    assert lora["matched"] == lora["total"] > 0
    assert lora["text_encoder"] is False

    png = server.client.get(job["images"][0]["url"]).content
    recipe = pnginfo.read(png)
    assert recipe is not None
    assert recipe["loras"] == [lora]
    assert recipe["prompt"] == body["prompt"]
    words = "(inkwash:0.5), (ink wash:0.5), (paper:0.5)"
    assert recipe["encoded_prompt"] == f"{body['prompt']}, {words}"
    text = Image.open(BytesIO(png)).info["parameters"]
    assert f'"modelVersionId":{VERSION}' in text
    assert text.count("<lora:") == 1


def test_the_picture_is_that_of_the_weights_merged_by_hand(
    server: ServerProcess, style: Path, tiny: Callable[[str], Path]
) -> None:
    add(server)
    body = {"prompt": "a red cat", "negative_prompt": "", "cfg_scale": 5.0, **SMALL}
    lora = {"id": f"civitai_{MODEL}", "weight": -0.7, "trigger_weight": 0}

    job = finish(server, {**body, "loras": [lora]})

    ours = Image.open(BytesIO(server.client.get(job["images"][0]["url"]).content))
    pipe = plain_diffusers.load(tiny("sdxl-base"))
    size = {"width": 64, "height": 64, "num_inference_steps": 3, "guidance_scale": 5.0}
    arguments = {"prompt": "a red cat", "negative_prompt": "", **size}
    without = plain_diffusers.image(pipe, "euler", 11, **arguments)
    lora_merging.merge(pipe, style, -0.7)
    merged = plain_diffusers.image(pipe, "euler", 11, **arguments)
    assert differing(ours, merged) <= 1
    assert differing(ours, without) > 20


def differing(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of two pictures' pixels, of 255."""
    from PIL import ImageChops

    extrema = ImageChops.difference(one, other).getextrema()
    return max(int(high) for _, high in extrema)


@pytest.mark.slow
def test_as_printed(server: ServerProcess) -> None:
    """A megapixel takes a small pipeline most of a minute."""
    add(server)
    job = finish(server, body_of("sdxl", WITH_LORA))
    assert (job["status"], job["error"]) == ("completed", None)
    assert job["loras"][0]["matched"] == job["loras"][0]["total"]
