"""The translation, with recorded JSON."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.dialects.openai import masks, refusals, translate
from server.dialects.openai.partials import Partials
from server.dialects.openai.protocol import Edit, Generation
from server.errors import (
    DarkroomError,
    InvalidParameters,
    JobAlreadyEnded,
    JobFailure,
    OutOfMemory,
    QueueFull,
)
from server.records import JobStatus
from server.snapshots import JobSnapshot
from tests.dialects.openai import document
from tests.dialects.openai.asking import coloured, mask

SCHEMA: dict[str, Any] = {
    "properties": {
        "prompt": {"type": "string"},
        "num_images": {"type": "integer", "minimum": 1, "maximum": 4},
        "width": {"type": "integer", "minimum": 64, "maximum": 1536, "multipleOf": 16},
        "height": {"type": "integer", "minimum": 64, "maximum": 1536, "multipleOf": 16},
        "steps": {"const": 4, "type": "integer"},
        "strength": {"type": "number", "minimum": 0.1, "maximum": 1},
        "init_image": {},
        "reference_images": {"maxItems": 2},
        "mask_image": {},
    }
}

SNAPSHOT = JobSnapshot(
    job_id="20260121_115610_abcd1234",
    attempt=1,
    seq=1,
    status=JobStatus.PROCESSING,
    model="m",
    kind="generate",
    num_images=1,
    created_at="2026-01-21T11:56:10.250Z",
    image_index=0,
    total_steps=20,
)


def test_the_printed_request() -> None:
    fitted = translate.parameters(Generation.model_validate(document.REQUEST), SCHEMA)
    assert fitted.body == {
        "prompt": "A cute baby sea otter",
        "num_images": 1,
        "width": 1024,
        "height": 1024,
    }
    assert fitted.notes == ()


def test_what_the_model_does_not_take_is_bent_and_told_in_their_words() -> None:
    asked = {**document.OTHERS["litellm"], "n": 9, "steps": 30, "cfg_scale": 3, "strength": 0.5}
    fitted = translate.parameters(Generation.model_validate(asked), SCHEMA)
    assert fitted.body == {
        "prompt": "a teal boat",
        "num_images": 4,
        "width": 1536,
        "height": 1024,
        "steps": 4,
    }
    assert [note.partition(" ")[0] for note in fitted.notes] == ["n", "size", "steps", "cfg_scale"]


@pytest.mark.parametrize("size", [None, "auto"])
def test_a_size_that_is_not_said_is_the_models_or_the_images(size: str | None) -> None:
    asked = Edit.model_validate({"prompt": "x", "size": size, "strength": 0})
    assert translate.parameters(asked, SCHEMA).body == {"prompt": "x", "strength": 0.1}
    fitted = translate.parameters(asked, SCHEMA, (640, 480))
    assert (fitted.body["width"], fitted.body["height"]) == (640, 480)


@pytest.mark.parametrize(
    ("strength", "has_mask", "expected"),
    [(None, False, None), (None, True, 1), (0.5, True, 0.5), (0.5, False, 0.5)],
)
def test_a_mask_lets_nothing_shine_through_unless_asked(
    strength: float | None, has_mask: bool, expected: float | None
) -> None:
    asked = Edit.model_validate({"prompt": "x", "strength": strength})
    assert translate.parameters(asked, SCHEMA, has_mask=has_mask).body.get("strength") == expected


@pytest.mark.parametrize(
    ("size", "edge", "expected"),
    [
        ((4000, 3000), 1024, (1184, 880)),
        ((100, 100), 512, (512, 512)),
        ((1, 30_000), 128, (16, 11_088)),
    ],
)
def test_sizes_like_those_of_images(
    size: tuple[int, int], edge: int, expected: tuple[int, int]
) -> None:
    assert translate.size_like(size, edge) == expected


@pytest.mark.parametrize(("seed", "ours"), [(7, 7), (-1, None), (None, None), (2**60, 2**53 - 1)])
def test_seeds(seed: int | None, ours: int | None) -> None:
    schema = {"properties": {**SCHEMA["properties"], "seed": {"type": "integer"}}}
    asked = Generation.model_validate({"prompt": "x", "seed": seed})
    assert translate.parameters(asked, schema).body.get("seed") == ours


def test_loras_are_never_left_out() -> None:
    asked = Generation.model_validate({"prompt": "x", "loras": [{"id": "fog", "weight": 0.5}]})
    body = translate.parameters(asked, SCHEMA).body
    assert body["loras"] == [{"id": "fog", "weight": 0.5}]


def test_images_take_the_places_that_a_model_has() -> None:
    given = translate.given([b"a", b"b", b"c"], b"m", SCHEMA)
    assert [*given] == ["init_image", "reference_images", "mask_image"]
    assert len(given["reference_images"]) == 2
    alone = {"properties": {"reference_images": {"maxItems": 2}}}
    assert [*translate.given([b"a", b"b"], None, alone)] == ["reference_images"]


@pytest.mark.parametrize(
    ("count", "has_mask", "words", "says"),
    [
        (4, False, SCHEMA["properties"], "image: this model takes at most 3"),
        (1, False, {"prompt": {}}, "image: this model takes no images"),
        (1, True, {"init_image": {}}, "mask: this model takes no mask; these do: a, b"),
    ],
)
def test_images_that_a_model_does_not_take(
    count: int, has_mask: bool, words: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidParameters, match=says):
        translate.check_taken(count, {"properties": words}, has_mask=has_mask, able=["a", "b"])


def test_a_mask_is_white_where_it_was_transparent() -> None:
    with Image.open(BytesIO(masks.ours(mask((64, 32)), (64, 32)))) as made:
        assert (made.mode, made.size) == ("L", (64, 32))
        assert (made.getpixel((0, 0)), made.getpixel((63, 0))) == (255, 0)


def test_a_mask_must_be_a_png() -> None:
    written = BytesIO()
    Image.new("RGBA", (64, 64)).save(written, "WEBP", lossless=True)
    with pytest.raises(InvalidParameters, match=r"mask: this is no PNG$"):
        masks.ours(written.getvalue(), (64, 64))
    with pytest.raises(InvalidParameters, match="no transparency"):
        masks.ours(coloured("red"), (64, 64))


def chosen(wanted: int, steps: list[int]) -> list[tuple[int, int]]:
    """Steps whose previews become partial images, with their indices."""
    partials, found = Partials(wanted), []
    for step in steps:
        snapshot = replace(SNAPSHOT, step=step, preview=b"%d" % step)
        index = partials.choose(snapshot)
        if index is not None:
            found.append((step, index))
    return found


def test_partial_images_are_spread_over_the_steps() -> None:
    every = [*range(1, 21)]
    assert chosen(3, every) == [(5, 0), (10, 1), (15, 2)]
    assert chosen(1, every) == [(10, 0)]
    assert chosen(0, every) == []
    assert chosen(3, [3, 12, 13, 14, 19]) == [(12, 0), (13, 1), (19, 2)], "late ones make up for it"
    assert chosen(3, [20]) == [(20, 0)]


def test_a_preview_is_looked_at_once_and_not_after_its_image() -> None:
    partials = Partials(3)
    late = replace(SNAPSHOT, step=20, preview=b"p")
    assert partials.choose(late) == 0
    assert partials.choose(late) is None, "the same one"
    assert partials.choose(replace(late, preview=b"q", images=({"index": 0},))) is None
    assert partials.choose(replace(late, preview=b"r", image_index=1)) == 0, "of the next image"
    assert partials.choose(replace(late, preview=b"s", image_index=1, step=None)) is None


def test_moments_and_sizes() -> None:
    assert translate.seconds(SNAPSHOT.created_at) == 1768996570
    assert translate.written_size({"width": 64, "height": 32}) == "64x32"
    assert translate.written_size({"prompt": "x"}) == "auto"


def test_how_jobs_end() -> None:
    translate.check_end(replace(SNAPSHOT, status=JobStatus.COMPLETED))
    with pytest.raises(JobAlreadyEnded):
        translate.check_end(replace(SNAPSHOT, status=JobStatus.CANCELLED))
    failed = replace(SNAPSHOT, status=JobStatus.FAILED)
    with pytest.raises(OutOfMemory, match="full"):
        translate.check_end(replace(failed, error={"code": "out_of_memory", "message": "full"}))
    with pytest.raises(JobFailure):
        translate.check_end(replace(failed, error={"code": "of_tomorrow", "message": "x"}))


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (DarkroomError("x"), 500, "internal_error", None),
        (QueueFull("x"), 503, "queue_full", None),
        (translate.refused("height", "x"), 400, "invalid_value", "size"),
        (translate.refused("init_image", "x"), 400, "invalid_value", "image"),
        (translate.refused("mask_image", "x"), 400, "invalid_value", "mask"),
        (InvalidParameters([]), 400, "invalid_value", None),
    ],
)
def test_errors(error: DarkroomError, status: int, code: str, param: str | None) -> None:
    assert refusals.status_of(error) == status
    found = refusals.document(error)["error"]
    assert (found["code"], found["param"]) == (code, param)
