"""webuiapi, a client that nobody here wrote, with the embedded model: a real pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import pytest
import webuiapi
from PIL import Image, ImageChops

from tests.dialects.automatic1111.pictures import decoded
from tests.servers import ServerProcess

pytestmark = pytest.mark.clients

PROMPT = "a red circle on a blue background"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clients")
    config = folder / "darkroom.toml"
    config.write_text('preview_interval = 0\ndefault_model = "postcard"\n')
    options = ["--config", str(config), "--listen", "automatic1111=0"]
    with ServerProcess(folder / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[Any]:
    url = httpx.URL(server.url_of("automatic1111"))
    client = webuiapi.WebUIApi(host=url.host, port=url.port, sampler="Euler a", steps=4)
    yield client
    client.session.close()


def painted(api: Any, prompt: str = PROMPT, **words: Any) -> Any:
    return api.txt2img(prompt=prompt, seed=7, width=64, height=64, **words)


def alike(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is None


def test_it_finds_models_and_chooses_one(api: Any, capsys: pytest.CaptureFixture[str]) -> None:
    [title] = [name for name in api.util_get_model_names() if name.endswith("[postcard]")]
    api.util_set_model("postcard")
    assert api.util_get_current_model() == title
    assert "Euler a" in api.util_get_sampler_names()
    assert "karras" in api.util_get_scheduler_names()
    assert "inkwash" in [lora["name"] for lora in api.get_loras()]
    api.util_wait_for_ready()


def test_it_makes_the_image_that_our_own_api_makes(server: ServerProcess, api: Any) -> None:
    result = painted(api)
    assert (result.info["seed"], result.info["sampler_name"]) == (7, "Euler a")
    assert result.parameters["prompt"] == PROMPT
    words = {"seed": 7, "width": 64, "height": 64, "steps": 4, "cfg_scale": 7, "sampler": "euler_a"}
    shown = server.wait(server.submit(PROMPT, **words))
    native = Image.open(BytesIO(server.png(shown["images"][0]["filename"])))
    assert result.image.size == (64, 64)
    assert alike(result.image, native)


def test_its_loras_are_applied(server: ServerProcess, api: Any) -> None:
    result = painted(api, f"{PROMPT} <lora:inkwash:0.8>")
    assert not alike(result.image, painted(api).image)
    [image] = [item for item in server.images() if item.get("loras")]
    [lora] = image["loras"]
    assert (lora["name"], lora["weight"], lora["matched"]) == ("inkwash", 0.8, lora["total"])
    assert image["prompt"] == PROMPT
    assert "<lora:inkwash:0.8>" in result.info["infotexts"][0]
    assert result.info["prompt"] == f"{PROMPT} <lora:inkwash:0.8>"
    with pytest.raises(RuntimeError, match="There is no LoRA"):
        painted(api, "red <lora:nobody:1>")


def test_it_sees_the_image_develop_and_stops_it(api: Any) -> None:
    previews = []
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(painted, api, steps=100, n_iter=3)
        while len(set(previews)) < 3 and not asked.done():
            current = api.get_progress()["current_image"]
            previews += [current] if current else []
        assert api.interrupt() == {}
    pictures = [decoded(text) for text in dict.fromkeys(previews)]
    assert [picture.format for picture in pictures[:3]] == ["JPEG"] * 3
    assert not alike(pictures[0], pictures[2])
    assert len(asked.result().images) < 3


def test_it_begins_with_an_image_reads_and_enlarges_it(api: Any) -> None:
    first = painted(api).image
    second = api.img2img(
        images=[first], prompt="green", seed=8, width=64, height=64, denoising_strength=0.5
    )
    assert not alike(first, second.image)
    told = api.png_info(first)
    assert told.info.startswith(f"{PROMPT}\nSteps: 4, Sampler: Euler a")
    assert told.parameters["Seed"] == "7"
    larger = api.extra_single_image(first, upscaler_1="Lanczos", upscaling_resize=3)
    assert larger.image.size == (192, 192)
