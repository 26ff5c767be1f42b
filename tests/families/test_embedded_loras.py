"""The two LoRAs of the embedded model, out of the box, through a real server."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server import pnginfo
from tests.servers import ServerProcess

PROMPTS = ("a big red star on a blue background", "a sailboat on the sea at sunset")
WORK = {"model": "postcard", "steps": 6, "num_images": 2, "seed": 3}
COUNTS = {"matched": 114, "total": 114, "text_encoder": True}


@pytest.fixture(scope="module")
def server(tiny_server: ServerProcess) -> ServerProcess:
    return tiny_server


class Studio:
    """Jobs of the server, each made once."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.job = cache(self._job)

    def _job(self, prompt: str, *loras: tuple[str, float]) -> dict[str, Any]:
        chosen = [{"id": name, "weight": weight} for name, weight in loras]
        body = {"prompt": prompt, **WORK, "loras": chosen}
        answer = self._server.client.post("/api/generate", json=body)
        answer.raise_for_status()
        return self._server.wait(answer.json()["job_id"])

    def pictures(self, word: str, *loras: tuple[str, float]) -> list[Image.Image]:
        """Those of all prompts, with a word behind each."""
        jobs = [self.job(f"{prompt}{word}", *loras) for prompt in PROMPTS]
        assert [job["status"] for job in jobs] == ["completed"] * len(jobs)
        urls = [image["url"] for job in jobs for image in job["images"]]
        contents = [self._server.client.get(url).content for url in urls]
        return [Image.open(BytesIO(content)) for content in contents]


@pytest.fixture(scope="module")
def studio(server: ServerProcess) -> Studio:
    return Studio(server)


def saturation(pictures: list[Image.Image]) -> float:
    """The mean over all pixels, 0 to 1."""
    return float(np.mean([np.asarray(one.convert("HSV"))[..., 1] for one in pictures])) / 255


def darkness(pictures: list[Image.Image]) -> float:
    """The share of pixels that are nearly black."""
    return float(np.mean([np.asarray(one.convert("HSV"))[..., 2] < 80 for one in pictures]))


def bright_edges(picture: Image.Image) -> bool:
    """Whether some of a picture shines: more than a hundredth, less than a third."""
    share = float(np.mean(np.asarray(picture.convert("HSV"))[..., 2] > 130))
    return 0.01 < share < 0.34


def test_both_are_offered(server: ServerProcess) -> None:
    offered = server.get("/api/info", params={"model": "postcard"})["loras"]
    assert {lora["name"]: lora["trigger_words"] for lora in offered} == {
        "Ink wash": ["inkwash"],
        "Neon": ["neon"],
    }
    assert [lora["bundled"] for lora in offered] == [True, True]


def test_inkwash_takes_the_colours_away(studio: Studio) -> None:
    plain = saturation(studio.pictures(""))
    full = saturation(studio.pictures("", ("inkwash", 1.0)))
    half = saturation(studio.pictures("", ("inkwash", 0.5)))
    word = saturation(studio.pictures(", inkwash"))
    assert full < 0.35 * plain
    assert full < half < 0.95 * plain
    assert abs(word - plain) < 0.1 * plain


def test_neon_shines_in_the_dark(studio: Studio) -> None:
    plain = darkness(studio.pictures(""))
    neon = studio.pictures("", ("neon", 1.0))
    half = darkness(studio.pictures("", ("neon", 0.5)))
    word = darkness(studio.pictures(", neon"))
    assert darkness(neon) > plain + 0.4
    assert all(map(bright_edges, neon))
    assert plain < half < darkness(neon)
    assert abs(word - plain) < 0.1


def test_the_job_and_its_images_tell_what_was_applied(
    server: ServerProcess, studio: Studio
) -> None:
    job = studio.job(PROMPTS[0], ("neon", 1.0))
    (lora,) = job["loras"]
    expected = {"weight": 1.0, "trigger_weight": 0.5, **COUNTS}
    assert {word: lora[word] for word in expected} == expected
    assert job["images"][0]["loras"] == [lora]
    recipe = pnginfo.read(server.client.get(job["images"][0]["url"]).content)
    assert recipe is not None
    assert recipe["loras"] == [lora]
    assert recipe["prompt"] == PROMPTS[0]
    assert recipe["encoded_prompt"] == f"neon, {PROMPTS[0]}"
    totals = [
        server.client.get("/api/images", params={"lora": name}).json()["total"]
        for name in (lora["id"], "neon", "Neon", "nobody")
    ]
    assert totals[0] == totals[1] == totals[2] >= 2
    assert totals[3] == 0


def test_the_recipe_of_an_image_makes_it_again(server: ServerProcess, studio: Studio) -> None:
    image = studio.job(PROMPTS[0], ("neon", 1.0))["images"][1]
    content = server.client.get(image["url"]).content
    recipe = pnginfo.read(content)
    assert recipe is not None
    words = {key: recipe[key] for key in recipe if key not in ("job_id", "index", "software")}
    answer = server.client.post("/api/generate", json=words)
    (again,) = server.wait(answer.json()["job_id"])["images"]
    both = [
        Image.open(BytesIO(data)) for data in (content, server.client.get(again["url"]).content)
    ]
    assert both[0].tobytes() == both[1].tobytes()
