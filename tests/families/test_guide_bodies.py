"""The bodies that the API guide prints work as printed, on its models and on the bundled one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from server.api.examples import GUIDE
from tests.families.published import MODELS
from tests.servers import ServerProcess

BODY = re.compile(r"^### (.+?)\n.*?^```jsonc\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s//.*$", re.MULTILINE)

#: The models that the guide prints a body for, by its heading. LoRAs have tests of their own.
MODELS_OF = {
    "SDXL / Illustrious": ("sdxl-base", "illustrious-xl"),
    "Chroma": ("chroma-hd", "chroma-base", "chroma-flash"),
    "Flux Dev / Schnell": ("flux-dev", "flux-schnell"),
    "Z-Image Turbo": ("z-image-turbo",),
}
WITH_LORA = "With LoRA (SDXL only)"
CASES = [(heading, model) for heading, models in MODELS_OF.items() for model in models]
CASES += [(heading, "postcard") for heading in MODELS_OF]
#: A megapixel takes the others so long that they run with `make soak` alone.
QUICK = ("flux-dev", "flux-schnell", "chroma-flash", "z-image-turbo", "sdxl-base")


def printed() -> dict[str, Any]:
    """The bodies of the guide by the heading above them."""
    guide = (Path(__file__).parent / "guide.md").read_text("utf-8")
    return {heading: json.loads(COMMENT.sub("", body)) for heading, body in BODY.findall(guide)}


@pytest.fixture(scope="module")
def server(tiny_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("server") / "data"
    options = ("--config", str(tiny_config), "--device", "cpu", "--no-preload")
    with ServerProcess(data, *options) as process:
        yield process


def choose(server: ServerProcess, model: str) -> None:
    """Make this the model of requests that name none."""
    answer = server.client.post(f"/api/models/{model}/load")
    assert answer.status_code == 202, answer.text
    assert answer.json()["current"] is True


def test_every_body_of_the_guide_is_here_and_in_the_documentation() -> None:
    bodies = printed()
    assert set(bodies) == {*MODELS_OF, WITH_LORA}
    assert [bodies[heading] for heading in MODELS_OF] == list(GUIDE.values())
    assert {model for _, model in CASES} <= set(MODELS)


@pytest.mark.parametrize(("heading", "model"), CASES)
def test_a_body_is_taken_as_printed(server: ServerProcess, heading: str, model: str) -> None:
    body = printed()[heading]
    choose(server, model)
    answer = server.client.post("/api/generate", params={"dry_run": "true"}, json=body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    params = {word: plan["params"][word] for word in body if word in plan["params"]}
    assert (plan["model"], plan["params"]["width"], plan["params"]["height"]) == (model, 1024, 1024)
    assert params == {word: body[word] for word in params}
    ignored = [word for word in body if word not in params]
    assert plan["warnings"] == [
        f"`{word}` is not used by {model} and was ignored." for word in ignored
    ]


@pytest.mark.timeout(900)  # a megapixel on a busy machine
@pytest.mark.parametrize(
    ("heading", "model"),
    [pytest.param(*case, marks=[] if case[1] in QUICK else [pytest.mark.slow]) for case in CASES],
)
def test_a_body_works_as_printed(server: ServerProcess, heading: str, model: str) -> None:
    body = printed()[heading]
    choose(server, model)
    answer = server.client.post("/api/generate", json=body)
    assert answer.status_code == 202, answer.text
    shown = server.wait(answer.json()["job_id"])
    assert (shown["status"], shown["error"], shown["model"]) == ("completed", None, model)
    (image,) = shown["images"]
    size = (body["width"], body["height"])
    assert Image.open(BytesIO(server.png(image["filename"])), formats=("PNG",)).size == size
    assert (image["width"], image["height"], image["prompt"]) == (*size, body["prompt"])
    assert body.get("seed", image["seed"]) == image["seed"]
