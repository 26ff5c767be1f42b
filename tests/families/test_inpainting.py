"""A part of an image is redrawn and the rest stays: the bytes of diffusers' own pipelines for it
where it is redrawn, the given image's everywhere else."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from server.worker.input_image import fit, upright
from tests.families.build import STAND_INS
from tests.families.jobs import PROMPT, Words, check
from tests.families.pictures import data_uri, photo
from tests.families.published import BUNDLED, MODELS, OF_EACH_FAMILY
from tests.serving import LiveServer, live_server

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

Pixels = npt.NDArray[np.uint8]
#: The image that a plain call of diffusers decodes.
Plain = Callable[[str, Words], Image.Image]

SIZE = WIDTH, HEIGHT = 112, 80
#: What is redrawn: whole cells of the latents, for diffusers takes one pixel of each.
BOX = (16, 16, 64, 48)
#: Pixels around it over which it fades.
FEATHER = 4
INPAINTING = [name for name in OF_EACH_FAMILY if MODELS[name].family != "flux2"]
#: Samplers that draw noise themselves, run each step twice, or take their levels from a table.
SAMPLERS = ("euler_a", "dpm++_sde", "heun", "ddim")


@pytest.fixture(scope="module")
def server(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    stand_ins = [model for model in INPAINTING if model in STAND_INS]
    models = [{"id": model, "source": str(tiny(STAND_INS[model]))} for model in stand_ins]
    data = tmp_path_factory.mktemp("server") / "data"
    options = {"models": models, "default_model": "postcard", "preview_interval": 0}
    with live_server(data, **options) as running:
        yield running


@pytest.fixture(scope="module")
def plain(tiny: Callable[[str], Path]) -> Plain:
    from tests.families import plain_diffusers, plain_inpainting

    @cache
    def load(model: str) -> tuple[Any, Any]:
        pipe = plain_diffusers.load(tiny(STAND_INS[model]) if model in STAND_INS else BUNDLED)
        return plain_inpainting.pipeline(pipe), pipe.scheduler.config

    def image(model: str, words: Words) -> Image.Image:
        pipe, config = load(model)
        published = MODELS[model]
        scheduler = plain_diffusers.scheduler(published.sampler(words), config)
        arguments = published.arguments(words)
        arguments.pop("clip_skip", None)
        seed = words["seed"]
        return plain_inpainting.image(pipe, scheduler, seed, given(), mask(), **arguments)

    return image


@cache
def given() -> Image.Image:
    return Image.open(BytesIO(photo())).resize(SIZE, Image.Resampling.LANCZOS)


def mask(box: tuple[int, int, int, int] = BOX, size: tuple[int, int] = SIZE) -> Image.Image:
    white = Image.new("L", size)
    left, top, right, bottom = box
    ImageDraw.Draw(white).rectangle((left, top, right - 1, bottom - 1), fill=255)
    return white


def made(server: LiveServer, words: Words, files: Any = ()) -> list[Image.Image]:
    """The images of a job that the model takes without any remark. With files: as a form."""
    form = {"data": {"request": json.dumps(words)}, "files": files} if files else {"json": words}
    answer = server.client.post("/api/generate", **form)
    assert answer.status_code == 202, answer.text
    job = ended(server, answer.json()["job_id"])
    assert (job["status"], job["warnings"]) == ("completed", []), job
    return [picture(server, image["filename"]) for image in job["images"]]


def job(server: LiveServer, prompt: str = PROMPT, **words: Any) -> Any:
    return ended(server, server.submit(prompt, **words))


def ended(server: LiveServer, job_id: str) -> Any:
    with server.open(f"/api/sse/{job_id}") as stream:
        return stream.data()[-1]


def picture(server: LiveServer, filename: str) -> Image.Image:
    return Image.open(BytesIO(server.client.get(f"/api/images/{filename}").content))


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def images(first: Image.Image | None = None, white: Image.Image | None = None) -> Words:
    """The words of a request that names an image and a mask."""
    sources = {"init_image": first or given(), "mask_image": white or mask()}
    return {word: data_uri(png(image)) for word, image in sources.items()}


def asked(**words: Any) -> Words:
    return {"prompt": PROMPT, "width": WIDTH, "height": HEIGHT, "seed": 5, "steps": 4, **words}


def inside(image: Image.Image, box: tuple[int, int, int, int] = BOX) -> Pixels:
    return np.asarray(image.crop(box))


def outside(image: Image.Image, box: tuple[int, int, int, int] = BOX) -> Pixels:
    """The pixels that must stay exactly as they were."""
    left, top, right, bottom = box
    kept = np.asarray(image).copy()
    kept[max(0, top - FEATHER) : bottom + FEATHER, max(0, left - FEATHER) : right + FEATHER] = 0
    return kept


# --- the same as diffusers ------------------------------------------------------------------------


@pytest.mark.parametrize(("strength", "count"), [(0.6, 1), (1.0, 2)])
@pytest.mark.parametrize("model", INPAINTING)
def test_what_is_redrawn_has_the_bytes_of_plain_diffusers(
    server: LiveServer, plain: Plain, model: str, strength: float, count: int
) -> None:
    words = asked(strength=strength)
    ours = made(server, {"model": model, **words, **images(), "num_images": count})
    theirs = [plain(model, {**words, "seed": words["seed"] + number}) for number in range(count)]
    for one, other in zip(ours, theirs, strict=True):
        assert (inside(one) == inside(other)).all()
        assert (outside(one) == outside(given())).all()
    assert len({image.tobytes() for image in (given(), *ours)}) == count + 1
    # Between the two the image fades from one to the other.
    pixels, raw, before = (np.asarray(image) for image in (ours[0], theirs[0], given()))
    assert (pixels >= np.minimum(raw, before)).all() and (pixels <= np.maximum(raw, before)).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_with_every_kind_of_sampler(server: LiveServer, plain: Plain, sampler: str) -> None:
    words = asked(sampler=sampler, strength=0.6)
    (ours,) = made(server, {"model": "sdxl-base", **words, **images()})
    assert (inside(ours) == inside(plain("sdxl-base", words))).all()
    assert (outside(ours) == outside(given())).all()


# --- what people see ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def star(server: LiveServer) -> str:
    """An image of the gallery."""
    drawn = job(server, "a white star on a blue background", seed=3)
    return str(drawn["images"][0]["filename"])


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_a_white_star_becomes_a_yellow_one(server: LiveServer, star: str, strength: float) -> None:
    before = picture(server, star)
    box = (24, 24, 104, 104)
    words = {"init_image": star, "mask_image": data_uri(png(mask(box, (128, 128))))}
    (after,) = made(
        server,
        {"prompt": "a yellow star on a blue background", "seed": 50, "strength": strength, **words},
    )
    assert _share(before, (255, 255, 255)) > 0.03 and _share(before, (255, 215, 40)) == 0
    assert _share(after, (255, 255, 255)) == 0 and _share(after, (255, 215, 40)) > 0.03
    assert (outside(after, box) == outside(before, box)).all()


def _share(image: Image.Image, colour: tuple[int, int, int]) -> float:
    """How much of an image has nearly this colour."""
    near = np.abs(np.asarray(image).astype(int) - colour).max(axis=2) < 60
    return float(near.mean())


def test_previews_show_what_is_kept_as_it_is(server: LiveServer) -> None:
    first = Image.new("RGB", (128, 128), "white")
    half = mask((0, 0, 64, 128), first.size)
    words = {**images(first, half), "steps": 8, "strength": 1, "seed": 2, "sampler": "ddim"}
    with server.open(f"/api/sse/{server.submit('night', **words)}") as stream:
        early, *_ = (shown["preview"] for shown in stream.data() if shown["preview"])
    pixels = np.asarray(Image.open(BytesIO(b64decode(early.partition(",")[2]))).convert("L"))
    width = pixels.shape[1]
    assert pixels[:, width * 5 // 8 :].min() > 200
    assert pixels[:, : width * 3 // 8].mean() < 200


# --- where the mask lies --------------------------------------------------------------------------


def test_the_mask_lies_on_the_image_as_it_is_given(server: LiveServer) -> None:
    """The photo is lying on its side and too high: the same part of it is redrawn whatever the
    mask's own size."""
    words = {**asked(strength=1.0), "init_image": data_uri(photo())}
    large = mask((0, 60, 44, 64), (88, 120))
    small = large.resize((44, 60), Image.Resampling.NEAREST)
    ours, again = (
        made(server, {**words, "mask_image": data_uri(png(white))})[0] for white in (large, small)
    )
    check(ours, again)
    before = fit(upright(Image.open(BytesIO(photo()))), WIDTH, HEIGHT)
    # 112 x 80 pixels of 88 x 120 are a band of 62.9 rows from 28.6, scaled by 1.27.
    box = (0, 39, 57, 46)
    assert (outside(ours, box) == outside(before, box)).all()
    assert (inside(ours, (0, 41, 55, 44)) != inside(before, (0, 41, 55, 44))).any()


def test_nothing_of_the_mask_is_left_after_cutting(server: LiveServer) -> None:
    high = given().resize((112, 400))
    words = asked(**images(high, mask((0, 0, 112, 40), high.size)))
    shown = job(server, **words)
    assert shown["warnings"] == [
        "The mask lies where the initial image was cut off; nothing is redrawn."
    ]
    ours = picture(server, shown["images"][0]["filename"])
    check(ours, fit(high, *SIZE))


# --- ways in, recipes, refusals -------------------------------------------------------------------


def test_a_form_a_recipe_and_a_lora(server: LiveServer) -> None:
    words = asked(loras=[{"id": _lora(server), "weight": 1.0, "trigger_weight": 0}], strength=0.8)
    files = {
        "init_image": ("photo.png", png(given()), "image/png"),
        "mask_image": ("mask.png", png(mask()), "image/png"),
    }
    (ours,) = made(server, words, files)
    (without,) = made(server, {**words, "loras": []}, files)
    assert (inside(ours) != inside(without)).any()
    assert (outside(ours) == outside(without)).all() and (outside(ours) == outside(given())).all()
    recipe = json.loads(ours.info["darkroom"])
    names = {recipe["mask_image"], recipe["init_image"]}
    assert len(names) == 2 and all(name.startswith("input:") for name in names)
    again = {word: recipe[word] for word in recipe if word not in ("job_id", "index", "software")}
    check(made(server, again)[0], ours)


def _lora(server: LiveServer) -> str:
    loras = server.client.get("/api/info").json()["loras"]
    return str(next(lora["id"] for lora in loras if lora["name"] == "Neon"))


def test_a_mask_may_be_an_image_of_the_gallery(server: LiveServer, star: str) -> None:
    drawn = job(server, init_image=star, mask_image=star, steps=2, width=64, height=64)
    assert drawn["status"] == "completed"
    (recipe,) = drawn["images"]
    assert recipe["mask_image"] == recipe["init_image"]


BLACK = data_uri(png(Image.new("L", (9, 9))))
CLEAR = data_uri(png(Image.new("RGBA", (9, 9), (255, 255, 255, 0))))
WHITE = data_uri(png(Image.new("L", (9, 9), 255)))


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        ({"mask_image": WHITE}, "mask_without_image", "needs `init_image`"),
        ({"mask_image": WHITE, "init_image": None}, "mask_without_image", "needs `init_image`"),
        ({"mask_image": BLACK, "init_image": WHITE}, "image", "nothing of the mask is white"),
        ({"mask_image": CLEAR, "init_image": WHITE}, "image", "nothing of the mask is white"),
        ({"mask_image": "mask.png", "init_image": WHITE}, "image_source", "data URI"),
        ({"mask_image": data_uri(b"?"), "init_image": WHITE}, "image", "no PNG, JPEG or WebP"),
    ],
)
def test_masks_that_are_refused(server: LiveServer, words: Words, kind: str, text: str) -> None:
    answer = server.client.post("/api/generate", json={"prompt": "red", **words})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["type"]) == (["mask_image"], kind) and text in error["msg"]


def test_who_inpaints_says_so(server: LiveServer) -> None:
    for model in server.client.get("/api/models").json()["models"]:
        info = server.client.get("/api/info", params={"model": model["id"]}).json()
        schema = info["parameter_schema"]
        able = "inpainting" in model["capabilities"]
        assert able == ("mask_image" in schema["properties"]) == ("not" in schema)
        assert able == (model["id"] in MODELS and MODELS[model["id"]].family != "flux2")
