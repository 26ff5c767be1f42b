"""The request bodies on the families' pages work as printed, on small pipelines; those of the API
guide among them, and these on the bundled model too."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.api.examples import GUIDE
from tests.docs.pages import DOCS
from tests.families.published import MODELS, OF_EACH_FAMILY
from tests.servers import ServerProcess

SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^#|\Z)", re.DOTALL | re.MULTILINE)
BODY = re.compile(r"^```jsonc\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s//.*$", re.MULTILINE)

#: The page whose bodies begin with no words; they are in its calls of curl.
UPSCALERS = "enlarger"

WITH_LORA = "With LoRA (SDXL only)"

#: The pages and headings of the bodies that the API guide prints, in its order.
OF_THE_GUIDE = (
    ("sdxl", "SDXL / Illustrious"),
    ("sdxl", WITH_LORA),
    ("chroma", "From words alone"),
    ("flux", "Flux Dev / Schnell"),
    ("z_image", "Z-Image Turbo"),
)
#: How the pages call an image of the gallery.
IN_GALLERY = "20260121_115610_abcd1234_0.png"

#: A megapixel takes the others so long that they run with `make soak` alone.
QUICK = (
    *("flux-schnell", "chroma-flash", "z-image-turbo", "sdxl-base"),
    *("flux-2-klein-4b", "sd-3.5-large-turbo"),
)
#: So do those of as many steps as SDXL takes: samplers and weights are compared with diffusers' at
#: smaller sizes, and its third body begins with an image and takes fewer.
LONG = ("SDXL / Illustrious", "Another sampler and weights")


def printed() -> dict[str, dict[str, str]]:
    """The bodies by their page's name and the heading above them."""
    return {
        page.stem: {
            heading: COMMENT.sub("", found[1])
            for heading, section in SECTION.findall(page.read_text("utf-8"))
            if (found := BODY.search(section))
        }
        for page in sorted((DOCS / "families").glob("*.md"))
        if page.stem != UPSCALERS
    }


PRINTED = printed()
CASES = [
    (family, heading, model)
    for family, bodies in PRINTED.items()
    for heading in bodies
    for model in MODELS
    if heading != WITH_LORA
    and (
        MODELS[model].family == family
        or (model == "postcard" and (family, heading) in OF_THE_GUIDE)
    )
]


@pytest.fixture(scope="module")
def server(tiny_server: ServerProcess) -> ServerProcess:
    return tiny_server


@pytest.fixture(scope="module")
def in_gallery(server: ServerProcess) -> str:
    """The file name of an image of the gallery."""
    body = {"model": "postcard", "prompt": "a red star", "width": 128, "height": 128}
    job = server.client.post("/api/generate", json=body).json()["job_id"]
    return str(server.wait(job)["images"][0]["filename"])


def choose(server: ServerProcess, model: str) -> None:
    """Make this the model of requests that name none."""
    answer = server.client.post(f"/api/models/{model}/load")
    assert answer.status_code == 202, answer.text
    assert answer.json()["current"] is True


def body_of(family: str, heading: str, in_gallery: str = IN_GALLERY) -> Any:
    return json.loads(PRINTED[family][heading].replace(IN_GALLERY, in_gallery))


def test_the_bodies_of_the_guide_are_here_and_in_the_documentation() -> None:
    assert [body_of(*place) for place in OF_THE_GUIDE] == list(GUIDE.values())


def test_every_family_has_a_page_with_bodies() -> None:
    assert set(PRINTED) == {model.family for model in MODELS.values()} - {"postcard"}
    assert {family for family, *_ in CASES} == set(PRINTED)


def test_no_body_is_overlooked() -> None:
    for page in (DOCS / "families").glob("*.md"):
        assert len(BODY.findall(page.read_text("utf-8"))) == len(PRINTED.get(page.stem, ()))


@pytest.mark.parametrize("model", OF_EACH_FAMILY)
def test_the_body_with_a_lora_says_what_is_missing(server: ServerProcess, model: str) -> None:
    """The LoRA is nowhere here; no model of Chroma could take it."""
    body = {**body_of("sdxl", WITH_LORA), "model": model}
    answer = server.client.post("/api/generate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    if MODELS[model].family == "chroma":
        assert "does not support LoRAs" in answer.json()["detail"]
    else:
        assert "There is no LoRA 'civitai_1963644'" in answer.json()["detail"]


@pytest.mark.parametrize(("family", "heading", "model"), CASES)
def test_a_body_is_taken_as_printed(
    server: ServerProcess, in_gallery: str, family: str, heading: str, model: str
) -> None:
    body = body_of(family, heading, in_gallery)
    choose(server, model)
    answer = server.client.post("/api/generate", params={"dry_run": "true"}, json=body)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    params = {word: plan["params"][word] for word in body if word in plan["params"]}
    assert plan["model"] == model
    images = {word for word in ("init_image", "reference_images") if word in params}
    assert all("input:" in str(params[word]) for word in images), "named as recipes name them"
    assert {word: params[word] for word in params.keys() - images} == {
        word: body[word] for word in params.keys() - images
    }
    assert {"prompt", "width", "height"} <= params.keys()
    ignored = [word for word in body if word not in params]
    told = [each for each in plan["warnings"] if "has learned from pictures" not in each]
    assert told == [f"`{word}` is not used by {model} and was ignored." for word in ignored]
    # A megapixel is far more than the bundled model has ever seen, and than small pipelines have.
    learned = server.get("/api/info", params={"model": model})["training_resolution"]
    is_large = max(params["width"], params["height"]) > 4 * learned
    assert len(plan["warnings"]) == len(told) + is_large


@pytest.mark.timeout(900)  # a megapixel on a busy machine
@pytest.mark.parametrize(
    ("family", "heading", "model"),
    [
        pytest.param(
            *case, marks=[] if case[2] in QUICK and case[1] not in LONG else [pytest.mark.slow]
        )
        for case in CASES
    ],
)
def test_a_body_works_as_printed(
    server: ServerProcess, in_gallery: str, family: str, heading: str, model: str
) -> None:
    body = body_of(family, heading, in_gallery)
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


def test_another_api_makes_the_image_that_ours_makes(server: ServerProcess) -> None:
    """That the names of other APIs lead to real models; their own tests have one that paints."""
    words = {"prompt": "a lighthouse", "width": 64, "height": 64, "seed": 5}
    ours = {**words, "model": "flux-dev", "steps": 2, "cfg_scale": 3.0}
    first = server.wait(server.client.post("/api/generate", json=ours).json()["job_id"])
    settings = {**words, "num_inference_steps": 2, "guidance_scale": 3.0}
    theirs = {"model_id": "flux-1", "prompt": settings.pop("prompt"), "settings": settings}
    job_id = server.client.post("/cyberimage/api/generate", json=theirs).json()["job_id"]
    second = server.wait(job_id)
    state = server.get(f"/cyberimage/api/status/{job_id}")
    assert (state["status"], state["model_id"], state["progress"]["step"]) == (
        "completed",
        "flux-1",
        2,
    )
    pictures = [
        Image.open(BytesIO(server.png(job["images"][0]["filename"]))) for job in (first, second)
    ]
    assert pictures[0].size == (64, 64)
    assert pictures[0].tobytes() == pictures[1].tobytes()
