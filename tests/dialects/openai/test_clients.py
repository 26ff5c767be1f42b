"""OpenAI's own Python SDK, unmodified, with the bundled model on a real server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise

import numpy as np
import openai
import pytest
from PIL import Image

from tests.dialects.openai.asking import coloured, mask, opened, sdk
from tests.servers import ServerProcess
from tests.serving import until
from tests.support import PLUGINS

pytestmark = pytest.mark.clients

TOML = """
default_model = "postcard"
preview_interval = 0
max_queued = 4

[dialects.openai]
aliases = { "gpt-image-1" = "postcard", "dall-e-3" = "colours" }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clients")
    file = folder / "darkroom.toml"
    file.write_text(TOML)
    options = ("--plugin-folder", str(PLUGINS), "--config", str(file), "--listen", "openai=0")
    with ServerProcess(folder / "data", *options) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[openai.OpenAI]:
    with sdk(server.url) as made:
        yield made


def image_of(answer: openai.types.ImagesResponse, place: int = 0) -> Image.Image:
    """An image inside an answer."""
    assert answer.data is not None
    text = answer.data[place].b64_json
    assert text is not None
    return opened(text)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((32, 32)), dtype=np.int16)


def test_generate(client: openai.OpenAI, server: ServerProcess) -> None:
    answer = client.images.generate(
        model="gpt-image-1",
        prompt="a red circle on a blue background",
        n=2,
        size="128x128",
        quality="high",
        extra_body={"steps": 8, "seed": 7},
    )
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.size, answer.output_format) == (0, "128x128", "png")
    first, second = (image_of(answer, place) for place in (0, 1))
    red, _, blue = first.convert("RGB").getpixel((64, 64))
    assert red > 120 > blue
    red, _, blue = first.convert("RGB").getpixel((4, 4))
    assert blue > 90 > red
    assert np.abs(pixels(first) - pixels(second)).mean() > 1, "seeds 7 and 8"
    made = server.images()[0]
    assert (made["model"], made["seed"], made["steps"]) == ("postcard", 8, 8)


def test_streamed_partial_images_are_previews(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        model="gpt-image-1",
        prompt="a yellow star on a black background",
        size="auto",
        stream=True,
        partial_images=3,
        extra_body={"steps": 24, "seed": 3},
    )
    partials, finished = [], []
    for event in stream:
        if event.type == "image_generation.partial_image":
            assert event.partial_image_index == len(partials)
            partials.append(pixels(opened(event.b64_json)))
        else:
            finished.append(event)
    assert len(partials) >= 2
    assert all(np.any(one != other) for one, other in pairwise(partials))
    [completed] = finished
    assert (completed.type, completed.usage.total_tokens) == ("image_generation.completed", 0)
    final = pixels(opened(completed.b64_json))
    distances = [np.abs(each - final).mean() for each in (partials[0], partials[-1])]
    assert distances[1] < distances[0], "they come nearer to the image"


def test_edit(client: openai.OpenAI, server: ServerProcess) -> None:
    image = ("blue.png", coloured("blue", (128, 128)), "image/png")
    words = {"steps": 6, "strength": 0.5, "seed": 1}
    answer = client.images.edit(
        model="gpt-image-1",
        image=image,
        prompt="a plain blue background",
        output_format="jpeg",
        extra_body=words,
    )
    made = image_of(answer)
    assert (made.format, made.size) == ("JPEG", (128, 128))
    red, _, blue = pixels(made).reshape(-1, 3).mean(axis=0)
    assert blue > red + 40
    recipe = server.images()[0]
    assert recipe["init_image"].startswith("input:")
    assert (recipe["strength"], recipe["steps"]) == (0.5, 6)
    stream = client.images.edit(
        model="dall-e-3", image=[image], prompt="a blue background", stream=True
    )
    assert [event.type for event in stream] == ["image_edit.completed"]


def test_addresses_can_be_fetched(server: ServerProcess) -> None:
    with sdk(server.url_of("openai")) as client:
        answer = client.images.generate(
            model="dall-e-3",
            prompt="a green boat",
            response_format="url",
            style="vivid",
            quality="hd",
            user="somebody",
        )
    assert answer.data is not None
    url = answer.data[0].url
    assert url is not None
    assert url.startswith(server.url_of("openai"))
    assert opened(server.client.get(url).content).getpixel((0, 32)) == (30, 160, 60)


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"gpt-image-1", "dall-e-3", "postcard", "colours"} <= {*names}
    assert client.models.retrieve("gpt-image-1").object == "model"


def test_errors_are_the_sdks_own(client: openai.OpenAI, server: ServerProcess) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.images.generate(model="dall-e-3", prompt="red", n=11)
    assert (bad.value.param, bad.value.code) == ("n", "invalid_value")
    with pytest.raises(openai.BadRequestError) as no_mask:
        client.images.edit(
            model="dall-e-3",
            prompt="red",
            image=("a.png", coloured("blue")),
            mask=("m.png", mask()),
        )
    assert no_mask.value.param == "mask"
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(model="gpt-image-9", prompt="red")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-image-9")
    with pytest.raises(openai.APIError, match="asked to raise"):
        [*client.images.generate(model="dall-e-3", prompt="raise", stream=True)]


def test_a_failure_is_sent_once(server: ServerProcess) -> None:
    before = len(server.get("/api/jobs")["jobs"])
    with sdk(server.url, retries=2) as client, pytest.raises(openai.InternalServerError) as failed:
        client.images.generate(model="dall-e-3", prompt="raise")
    assert failed.value.code == "generation_failed"
    assert len(server.get("/api/jobs")["jobs"]) == before + 1


def test_a_full_queue(server: ServerProcess) -> None:
    server.client.post("/api/queue/pause")
    queued = [server.submit(model="colours") for _ in range(4)]
    with sdk(server.url) as client, pytest.raises(openai.InternalServerError) as full:
        client.images.generate(model="dall-e-3", prompt="red")
    assert full.value.status_code == 503
    server.client.post("/api/queue/resume")
    assert {server.wait(job_id)["status"] for job_id in queued} == {"completed"}


def test_a_cancelled_job_is_a_conflict_and_sent_once(server: ServerProcess) -> None:
    server.client.post("/api/queue/pause")
    known = {job["job_id"] for job in server.get("/api/jobs")["jobs"]}

    def fresh() -> list[str]:
        found = [job["job_id"] for job in server.get("/api/jobs")["jobs"]]
        return [job_id for job_id in found if job_id not in known]

    with sdk(server.url, retries=2) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.images.generate, model="dall-e-3", prompt="red")
        until(lambda: bool(fresh()))
        server.client.post(f"/api/jobs/{fresh()[0]}/cancel")
        with pytest.raises(openai.ConflictError):
            waiting.result()
    server.client.post("/api/queue/resume")
    assert len(fresh()) == 1


def test_the_sdks_bytes_are_the_gallerys(client: openai.OpenAI, server: ServerProcess) -> None:
    answer = client.images.generate(model="dall-e-3", prompt="a red boat", size="64x64")
    assert answer.data is not None
    text = answer.data[0].b64_json
    assert text is not None
    assert base64.b64decode(text) == server.png(server.images()[0]["filename"])
    assert Image.open(BytesIO(base64.b64decode(text))).size == (64, 64)
