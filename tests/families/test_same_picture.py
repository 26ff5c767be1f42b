"""The server's images, fetched over HTTP, are those of plain diffusers: the same bytes.

The reference is `plain_diffusers`, which knows nothing of the server; `published` says what the
page of each model says. Previews are made after every step while all of this runs.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Callable
from functools import cache
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.families.build import STAND_INS
from tests.families.jobs import GIVEN, PROMPT, Words, begun, check, made, submit
from tests.families.pictures import data_uri, photo, sticker
from tests.families.published import BUNDLED, MODELS, OF_EACH_FAMILY
from tests.families.variants import VARIANTS
from tests.servers import ServerProcess

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

WIDTH, HEIGHT = 112, 80
SMALL = {"width": 64, "height": 64}
STRENGTHS = (0.3, 0.6, 1.0)
#: Families that read images as references beside the prompt.
REFERENCING = ("flux2",)
#: Models that read prompts of any length, other than diffusers.
CHUNKING = ("sdxl-base",)
#: What an image says besides its recipe.
ORIGIN = ("job_id", "index", "software")
IMAGE_TO_IMAGE = [model for model in MODELS if MODELS[model].family not in REFERENCING]

#: A model for each pipeline. The others have the same weights here, and what is their own, what
#: they make of a request that leaves it out, is asked of each.
OF_EACH_PIPELINE = list({STAND_INS.get(model, model): model for model in reversed(MODELS)}.values())

#: At each strength one way to give an image: all of them with a model of each family, and with the
#: others one that is the next model's no more, with `make soak` where the weights are the same.
BEGINNINGS = [
    pytest.param(
        *(model, strength, way),
        marks=[] if model in (*OF_EACH_FAMILY, *OF_EACH_PIPELINE) else [pytest.mark.slow],
    )
    for number, model in enumerate(IMAGE_TO_IMAGE)
    for turn, (strength, way) in enumerate(zip(STRENGTHS, GIVEN, strict=True))
    if model in OF_EACH_FAMILY or turn == number % len(GIVEN)
]

Plain = Callable[..., Image.Image]


# --- the two sides -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tiny_server: ServerProcess) -> ServerProcess:
    return tiny_server


@pytest.fixture(scope="module")
def plain(tiny: Callable[[str], Path]) -> Plain:
    """The image of a plain call: a model, the words of a request, the images it begins with."""
    from tests.families import plain_diffusers

    @cache
    def load(folder: Path, *, image_to_image: bool) -> Any:
        return plain_diffusers.load(folder, image_to_image=image_to_image)

    def image(model: str, words: Words, *files: bytes, number: int = 0) -> Image.Image:
        published = MODELS[model]
        arguments = published.arguments(words)
        if published.family in REFERENCING:
            arguments["image"] = [plain_diffusers.upright(file) for file in files] or None
        elif files:
            size = (words["width"], words["height"])
            arguments["image"] = plain_diffusers.fitted(files[0], *size)
        folder = tiny(STAND_INS[model]) if model in STAND_INS else BUNDLED
        pipe = load(folder, image_to_image=bool(files))
        sampler, seed = published.sampler(words), words["seed"] + number
        return plain_diffusers.image(pipe, sampler, seed, **arguments)

    return image


# --- the reference is one ------------------------------------------------------------------------


def test_the_reference_imports_nothing_of_ours() -> None:
    tree = ast.parse((Path(__file__).parent / "plain_diffusers.py").read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    own = {"__future__", "io", "json", "pathlib", "typing"}
    assert imported - own == {"PIL", "diffusers", "torch"}


def test_every_model_is_compared(server: ServerProcess) -> None:
    found = server.get("/api/models")["models"]
    # What only enlarges images has no plain call to be compared with; the variants are compared
    # elsewhere.
    drawing = {model["id"] for model in found if model["family"] != "enlarger"}
    assert drawing - VARIANTS == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_published_words_are_those_of_the_models_page(
    server: ServerProcess, model: str
) -> None:
    schema = server.get("/api/info", params={"model": model})["parameter_schema"]
    properties = schema["properties"]
    defaults = {word: properties[word].get("default") for word in MODELS[model].defaults}
    samplers = properties["sampler"].get("enum", [properties["sampler"].get("const")])
    assert defaults == MODELS[model].defaults
    assert tuple(samplers) == MODELS[model].samplers
    guided = {"cfg_scale", "negative_prompt", "clip_skip"} & set(properties)
    assert guided <= set(defaults)


# --- text to image -------------------------------------------------------------------------------


def asked(model: str) -> Words:
    """A request that leaves nothing of this model's to default."""
    changes = {"steps": 3, "cfg_scale": 5.5, "negative_prompt": "green", "clip_skip": 1}
    own = {word: value for word, value in changes.items() if word in MODELS[model].defaults}
    return {"prompt": PROMPT, "width": WIDTH, "height": HEIGHT, "seed": 5, **own}


@pytest.mark.parametrize("model", OF_EACH_PIPELINE)
def test_text_to_image(server: ServerProcess, plain: Plain, model: str) -> None:
    words = {**asked(model), "num_images": 2}
    ours = made(server, {"model": model, **words})
    assert len({image.tobytes() for image in ours}) == 2
    for number, image in enumerate(ours):
        assert image.size == (WIDTH, HEIGHT)
        check(image, plain(model, words, number=number))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_left_out_is_as_published(server: ServerProcess, plain: Plain, model: str) -> None:
    words = {"prompt": PROMPT, "seed": 2**40, **SMALL}
    (ours,) = made(server, {"model": model, **words})
    check(ours, plain(model, words))


@pytest.mark.parametrize(
    "model", ["postcard", "sdxl-base", "flux-dev", "chroma-hd", "sd-3.5-large"]
)
def test_no_guidance(server: ServerProcess, plain: Plain, model: str) -> None:
    words = {**asked(model), "cfg_scale": 0 if model == "flux-dev" else 1}
    (ours,) = made(server, {"model": model, **words})
    check(ours, plain(model, words))


@pytest.mark.parametrize(
    ("model", "sampler"),
    [(model, sampler) for model in OF_EACH_FAMILY for sampler in MODELS[model].samplers],
)
def test_every_sampler(server: ServerProcess, plain: Plain, model: str, sampler: str) -> None:
    words = {**asked(model), "sampler": sampler, "steps": 4, **SMALL}
    (ours,) = made(server, {"model": model, **words})
    check(ours, plain(model, words))
    if MODELS[model].family not in REFERENCING:
        words["strength"] = 0.6
        (ours,) = made(server, {"model": model, "init_image": data_uri(photo()), **words})
        check(ours, plain(model, words, photo()))


@pytest.mark.parametrize("model", ["sdxl-base", "sd-3.5-large", "postcard"])
def test_samplers_differ(server: ServerProcess, model: str) -> None:
    words = {**asked(model), "model": model, "steps": 3, **SMALL}
    samplers = MODELS[model].samplers
    images = {made(server, {**words, "sampler": name})[0].tobytes() for name in samplers}
    assert len(images) == len(samplers)


@pytest.mark.parametrize("model", [model for model in OF_EACH_FAMILY if model not in CHUNKING])
def test_what_lies_beyond_the_models_reach_is_cut_off(
    server: ServerProcess, plain: Plain, model: str
) -> None:
    words = {**asked(model), "prompt": "a red circle on a blue background, " * 20}
    (ours,) = made(server, {"model": model, **words})
    check(ours, plain(model, words))


LONG = "a red circle on a blue background, " * 60


@pytest.mark.parametrize("model", OF_EACH_FAMILY)
def test_a_job_tells_what_of_its_prompts_is_not_read(server: ServerProcess, model: str) -> None:
    def told(**words: Any) -> list[str]:
        job = submit(server, {**asked(model), "model": model, **SMALL, **words})
        warnings = server.wait(job)["warnings"]
        assert isinstance(warnings, list)
        return [re.sub(r"\d+", "N", warning) for warning in warnings]

    def sentence(name: str) -> str:
        return f"The last N tokens of the {name} are beyond what the model reads."

    assert told() == []
    assert told(prompt=LONG) == [] if model in CHUNKING else [sentence("prompt")]
    if "negative_prompt" in MODELS[model].defaults:
        expected = [] if model in CHUNKING else [sentence("negative prompt")]
        assert told(negative_prompt=LONG) == expected
        assert told(negative_prompt=LONG, cfg_scale=1) == [], "nobody reads it"


def test_the_number_of_tokens_that_are_not_read(server: ServerProcess) -> None:
    """The small tokenizers have one token for each letter; two more are the beginning and end."""
    words = {**asked("sd-3.5-large"), "model": "sd-3.5-large", **SMALL, "prompt": "a" * 300}
    (warning,) = server.wait(submit(server, words))["warnings"]
    assert re.findall(r"\d+", warning) == [str(2 + 300 - 256)]


@pytest.mark.parametrize("clip_skip", [0, 2])  # 1 is asked of SDXL above
@pytest.mark.parametrize("negative_prompt", [None, "", "green"])
def test_prompts_of_sdxl(
    server: ServerProcess, plain: Plain, clip_skip: int, negative_prompt: str | None
) -> None:
    own = {"clip_skip": clip_skip, "negative_prompt": negative_prompt}
    words = {**asked("sdxl-base"), **own, "width": 104, "height": 72}
    (ours,) = made(server, {"model": "sdxl-base", **words})
    check(ours, plain("sdxl-base", words))
    (guided,) = made(server, {"model": "sdxl-base", **words, "negative_prompt": "green!"})
    assert guided.tobytes() != ours.tobytes()


# --- image to image ------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "strength", "way"), BEGINNINGS)
def test_image_to_image(
    server: ServerProcess, plain: Plain, model: str, strength: float, way: str
) -> None:
    words = {**asked(model), "steps": 4, "strength": strength, "num_images": 2}
    ours, file = begun(server, {"model": model, **words}, way)
    for number, image in enumerate(ours):
        check(image, plain(model, words, file, number=number))
    other = {**words, "strength": 1.0 if strength == 0.6 else 0.6}
    assert ours[0].tobytes() != plain(model, other, file).tobytes()
    if strength < 1:  # at 1 nothing of the image need be left
        another = sticker() if file == photo() else photo()
        assert ours[0].tobytes() != plain(model, words, another).tobytes()


@pytest.mark.parametrize("model", OF_EACH_FAMILY)
def test_the_recipe_in_an_image_makes_it_again(server: ServerProcess, model: str) -> None:
    words = {**asked(model), "model": model, "num_images": 2}
    (_, image), _ = begun(server, words, "upload")
    recipe = json.loads(image.info["darkroom"])
    (again,) = made(server, {word: recipe[word] for word in recipe if word not in ORIGIN})
    check(again, image)


@pytest.mark.parametrize("way", GIVEN)
def test_one_reference(server: ServerProcess, plain: Plain, way: str) -> None:
    words = asked("flux-2-klein-4b")
    (ours,), file = begun(server, {"model": "flux-2-klein-4b", **words}, way)
    check(ours, plain("flux-2-klein-4b", words, file))
    assert ours.tobytes() != plain("flux-2-klein-4b", words).tobytes()


@pytest.mark.parametrize("uploaded", [False, True])
def test_three_references(server: ServerProcess, plain: Plain, uploaded: bool) -> None:
    model = "flux-2-klein-9b"
    words = {**asked(model), "num_images": 2}
    files = (photo(), sticker(), photo())
    if uploaded:
        ours = made(server, {"model": model, **words}, _parts(*files))
    else:
        first, *more = map(data_uri, files)
        images = {"init_image": first, "reference_images": more}
        ours = made(server, {"model": model, **words, **images})
    for number, image in enumerate(ours):
        check(image, plain(model, words, *files, number=number))


def _parts(first: bytes, *more: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [
        ("init_image", ("first", first, "image/png")),
        *(("reference_images[]", ("more", file, "image/png")) for file in more),
    ]


@pytest.mark.parametrize("size", [(40, 40), (63, 200), (600, 70)])
@pytest.mark.parametrize("word", ["init_image", "reference_images"])
def test_references_that_the_model_cannot_take_are_refused(
    server: ServerProcess, word: str, size: tuple[int, int]
) -> None:
    buffer = BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    image = data_uri(buffer.getvalue())
    body = {**asked("flux-2-klein-4b"), "model": "flux-2-klein-4b"}
    body[word] = image if word == "init_image" else [data_uri(sticker()), image]
    answer = server.client.post("/api/generate", json=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    limits = "At least 64 pixels wide and high, and at most 8 : 1."
    assert error["loc"] == [word] and limits in error["msg"]
    schema = server.get("/api/info", params={"model": "flux-2-klein-4b"})["parameter_schema"]
    assert limits in schema["properties"][word]["description"]


@pytest.mark.parametrize("size", [(64, 64), (64, 512)])
def test_the_smallest_and_longest_references_are_taken(
    server: ServerProcess, plain: Plain, size: tuple[int, int]
) -> None:
    buffer = BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    words = {**asked("flux-2-klein-4b"), **SMALL}
    image = data_uri(buffer.getvalue())
    (ours,) = made(server, {"model": "flux-2-klein-4b", "init_image": image, **words})
    check(ours, plain("flux-2-klein-4b", words, buffer.getvalue()))


def test_references_alone(server: ServerProcess, plain: Plain) -> None:
    words = asked("flux-2-klein-4b")
    images = {"reference_images": [data_uri(sticker())]}
    (ours,) = made(server, {"model": "flux-2-klein-4b", **words, **images})
    check(ours, plain("flux-2-klein-4b", words, sticker()))


# --- many in one worker --------------------------------------------------------------------------


def others(model: str) -> list[Words]:
    """What may leave a trace: other models, other samplers, images to begin with, other sizes."""
    following = islice(cycle(OF_EACH_FAMILY), OF_EACH_FAMILY.index(model) + 1, None)
    start = {"init_image": data_uri(sticker())}
    return [
        {**asked(model), **start, "model": model, "sampler": MODELS[model].samplers[-1]},
        *({**asked(name), "model": name, **SMALL} for name in islice(following, 2)),
        {**asked(model), **start, "model": model, "width": 96, "height": 128},
    ]


@pytest.mark.parametrize("model", OF_EACH_FAMILY)
def test_nothing_that_ran_before_leaves_a_trace(
    server: ServerProcess, plain: Plain, model: str
) -> None:
    words = asked(model)
    (before,) = made(server, {"model": model, **words})
    workers = [worker.pid for worker in server.workers()]
    for body in others(model):
        made(server, body)
    (after,) = made(server, {"model": model, **words})
    assert len(workers) == 1
    assert [worker.pid for worker in server.workers()] == workers
    check(after, before)
    check(after, plain(model, words))


# --- previews ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", OF_EACH_FAMILY)
def test_previews_are_streamed_in_the_shape_of_the_image(server: ServerProcess, model: str) -> None:
    job = submit(server, {"model": model, **asked(model), "steps": 8})
    previews = {shown["preview"] for shown in server.snapshots(job)} - {None}
    assert previews
    for preview in previews:
        kind, _, data = preview.partition(",")
        assert kind == "data:image/jpeg;base64"
        image = Image.open(BytesIO(base64.b64decode(data)), formats=("JPEG",))
        assert image.width / image.height == pytest.approx(WIDTH / HEIGHT, rel=0.02)
        assert max(image.size) >= 128
    assert "No more previews" not in server.log
