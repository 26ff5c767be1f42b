"""Upscaling as a job of a real server: Lanczos' pixels, what is refused, what a search finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server import pnginfo
from tests.families.pictures import data_uri, photo, sticker
from tests.servers import ServerProcess
from tests.support import PLUGINS

CONFIGURATION = f"""
plugin_folder = "{PLUGINS}"
default_model = "colours"
device = "cpu"
preload = false
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("upscaling")
    config = folder / "darkroom.toml"
    config.write_text(CONFIGURATION)
    with ServerProcess(folder / "data", "--config", str(config)) as running:
        yield running


def send(server: ServerProcess, image: bytes | str, **words: Any) -> Any:
    """The answer to a request to enlarge an image, given as a file's bytes or by its name."""
    source = image if isinstance(image, str) else data_uri(image)
    body = {"model": "lanczos", "init_image": source, **words}
    return server.client.post("/api/generate", json=body)


def enlarged(server: ServerProcess, image: bytes | str, **words: Any) -> dict[str, Any]:
    """The larger image as the gallery has it."""
    answer = send(server, image, **words)
    assert answer.status_code == 202, answer.text
    assert answer.json()["warnings"] == []
    shown = server.wait(answer.json()["job_id"])
    assert shown["status"] == "completed", shown["error"]
    (found,) = shown["images"]
    return dict(found)


def pixels(server: ServerProcess, image: dict[str, Any]) -> Image.Image:
    with Image.open(BytesIO(server.png(image["filename"])), formats=("PNG",)) as opened:
        opened.load()
    return opened


def flat(width: int, height: int) -> bytes:
    """A large image of few bytes."""
    buffer = BytesIO()
    Image.new("1", (width, height), 1).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("scale", [2, 3, 4, 5, 6, 7, 8])
def test_lanczos_is_pillows_own_byte_for_byte(server: ServerProcess, scale: int) -> None:
    # Upright, which is what its EXIF says; large enough for several strips from 6 on.
    upright = Image.open(BytesIO(photo())).transpose(Image.Transpose.ROTATE_270).convert("RGB")
    source = upright.resize((340, 201), Image.Resampling.NEAREST)
    buffer = BytesIO()
    source.save(buffer, "PNG")
    made = enlarged(server, buffer.getvalue(), scale=scale)
    size = (340 * scale, 201 * scale)
    ours = pixels(server, made)
    assert (ours.mode, ours.size, made["width"], made["height"]) == ("RGB", size, *size)
    assert ours.tobytes() == source.resize(size, Image.Resampling.LANCZOS).tobytes()


def test_a_picture_is_turned_upright_and_put_on_white(server: ServerProcess) -> None:
    upright = Image.open(BytesIO(photo())).transpose(Image.Transpose.ROTATE_270)
    made = pixels(server, enlarged(server, photo()))
    expected = upright.resize((upright.width * 2, upright.height * 2), Image.Resampling.LANCZOS)
    assert made.tobytes() == expected.tobytes()
    paper = Image.new("RGBA", (72, 130), "white")
    paper.alpha_composite(Image.open(BytesIO(sticker())))
    expected = paper.convert("RGB").resize((144, 260), Image.Resampling.LANCZOS)
    assert pixels(server, enlarged(server, sticker())).tobytes() == expected.tobytes()


def test_an_image_of_the_gallery_keeps_its_prompt(server: ServerProcess) -> None:
    small = server.wait(server.submit("a yellow submarine", width=80, seed=5))["images"][0]
    made = enlarged(server, small["filename"], scale=3)
    source = pixels(server, small)
    expected = source.resize((240, 192), Image.Resampling.LANCZOS)
    assert pixels(server, made).tobytes() == expected.tobytes()
    assert made["prompt"] == "a yellow submarine"
    found = server.get("/api/images", params={"q": "submarine lanczos"})["images"]
    assert [image["filename"] for image in found] == [made["filename"]]
    own = enlarged(server, small["filename"], prompt="the same, larger")
    assert own["prompt"] == "the same, larger"


def test_the_recipe_says_what_was_made_of_what_and_makes_it_again(server: ServerProcess) -> None:
    made = enlarged(server, sticker(), scale=2)
    png = server.png(made["filename"])
    recipe = pnginfo.read(png)
    assert recipe is not None
    assert recipe["init_image"].startswith("input:") and len(recipe["init_image"]) == 70
    assert (recipe["model"], recipe["scale"], recipe["prompt"]) == ("lanczos", 2, "")
    with Image.open(BytesIO(png)) as opened:
        parameters = pnginfo.parse_infotext(opened.info["parameters"])
    assert (parameters["prompt"], parameters["model"]) == ("", "lanczos")
    words = ("model", "init_image", "scale", "prompt", "seed", "num_images")
    answer = server.client.post("/api/generate", json={word: recipe[word] for word in words})
    again = server.wait(answer.json()["job_id"])["images"][0]
    assert pixels(server, again).tobytes() == pixels(server, made).tobytes()


def test_an_upload_is_enlarged(server: ServerProcess) -> None:
    form = {"request": json.dumps({"model": "lanczos", "scale": 4})}
    files = {"init_image": ("sticker.png", sticker(), "image/png")}
    answer = server.client.post("/api/generate", data=form, files=files)
    assert answer.status_code == 202, answer.text
    (made,) = server.wait(answer.json()["job_id"])["images"]
    assert (made["width"], made["height"], made["scale"]) == (288, 520, 4)


@pytest.mark.parametrize(
    ("words", "place", "says"),
    [
        ({"scale": 1}, "scale", "greater than or equal to 2"),
        ({"scale": 9}, "scale", "less than or equal to 8"),
        ({"scale": 2.5}, "scale", "valid integer"),
        ({"num_images": 2}, "num_images", "less than or equal to 1"),
        ({"init_image": "/etc/passwd"}, "init_image", "data URI"),
        ({"loras": [{"id": "x"}]}, "loras", "does not support LoRAs"),
    ],
)
def test_what_it_does_not_do_is_refused(
    server: ServerProcess, words: dict[str, Any], place: str, says: str
) -> None:
    answer = send(server, sticker(), **words)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["errors"]
    assert problem["loc"] == [place]
    assert says in problem["msg"]


def test_no_image_is_refused_and_words_of_others_are_warned_of(server: ServerProcess) -> None:
    answer = server.client.post("/api/generate", json={"model": "lanczos", "prompt": "larger"})
    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json()["errors"]] == [["init_image"]]
    warned = send(server, sticker(), width=512, steps=20).json()["warnings"]
    assert warned == [
        f"`{word}` is not used by lanczos and was ignored." for word in ("width", "steps")
    ]


def test_a_result_of_too_many_pixels_is_refused_before_it_is_a_job(server: ServerProcess) -> None:
    before = [job["job_id"] for job in server.get("/api/jobs")["jobs"]]
    answer = send(server, flat(2500, 1800), scale=3)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["loc"] == ["init_image"]
    assert "7500 x 5400, more than 40000000 (`max_image_pixels`)" in problem["msg"]
    assert [job["job_id"] for job in server.get("/api/jobs")["jobs"]] == before
    # The same image twice as large has no more than 40 million.
    planned = server.client.post(
        "/api/generate?dry_run=true",
        json={"model": "lanczos", "init_image": data_uri(flat(2500, 1800)), "scale": 2},
    )
    assert planned.status_code == 200, planned.text
    assert planned.json()["params"]["scale"] == 2


def test_a_running_one_shows_its_strips_and_can_be_cancelled(server: ServerProcess) -> None:
    answer = send(server, flat(3100, 3100))
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    for shown in server.snapshots(job_id):
        if shown["step"]:
            assert shown["total_steps"] > 10 and 0 < shown["progress"] < 1
            server.client.post(f"/api/jobs/{job_id}/cancel")
            break
    ended = server.wait(job_id)
    assert (ended["status"], ended["images"]) == ("cancelled", [])
    assert enlarged(server, sticker())["scale"] == 2, "the next one runs"


def test_an_upscaler_is_listed_as_one_and_never_becomes_the_current_model(
    server: ServerProcess,
) -> None:
    info = server.get("/api/info", params={"model": "lanczos"})
    assert (info["model"], info["capabilities"], info["loras"]) == ("lanczos", ["upscale"], [])
    assert info["parameter_schema"]["required"] == ["init_image"]
    words = list(info["parameter_schema"]["properties"])
    assert words == ["model", "prompt", "seed", "num_images", "init_image", "scale"]
    loaded = server.client.post("/api/models/lanczos/load")
    assert (loaded.status_code, loaded.json()["current"]) == (202, False)
    assert server.get("/api/info")["model"] == "colours"
