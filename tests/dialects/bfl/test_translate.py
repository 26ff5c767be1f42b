"""This API's words in ours, and ours in its."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from server.dialects.bfl import task, translate
from server.dialects.bfl.protocol import Order
from server.dialects.bfl.vocabulary import DOCUMENT, OWN
from server.errors import InvalidParameters
from server.jobs.progress import snapshot_of
from server.plugins.manager import discover
from server.records import JobKind, JobStatus, Origin
from server.request_schema import request_schema
from tests.dialects.bfl import document
from tests.unit.jobs.builders import new_image, new_job

PLUGINS = discover()
KLEIN, DEV, SCHNELL = (
    request_schema(*PLUGINS.cards[name], None, 8)
    for name in ("flux-2-klein-4b", "flux-dev", "flux-schnell")
)


def ours(schema: dict[str, Any] = KLEIN, **order: Any) -> dict[str, Any]:
    """A request in our words."""
    wanted = Order(**{"prompt": "x", **order})
    return translate.parameters(wanted, schema, translate.given_images(wanted)).body


def png(width: int = 1, height: int = 1) -> bytes:
    written = BytesIO()
    Image.new("RGB", (width, height)).save(written, "PNG")
    return written.getvalue()


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def test_the_printed_request() -> None:
    assert ours(**document.REQUEST) == {
        "prompt": document.REQUEST["prompt"],
        "width": 1024,
        "height": 1024,
        "steps": 4,
        "seed": 42,
    }


def test_black_forest_labs_request_leaves_the_size_to_the_model() -> None:
    assert ours(**document.OWN_REQUEST) == {"prompt": "ein fantastisches bild", "seed": 42}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"aspect_ratio": "16:9"}, (1360, 768)),
        ({"aspect_ratio": "9:16"}, (768, 1360)),
        ({"aspect_ratio": "21:9"}, (1568, 672)),
        ({"aspect_ratio": "9999:1"}, (2048, 64)),
        ({"aspect_ratio": "16:9", "width": 512, "height": 256}, (512, 256)),
        ({"aspect_ratio": "2:1", "width": 512}, (512, 256)),
        ({"aspect_ratio": "2:1", "height": 512}, (1024, 512)),
        ({"width": 1000, "height": 10**400}, (992, 2048)),
    ],
)
def test_sizes(given: dict[str, Any], size: tuple[int, int]) -> None:
    found = ours(**given)
    assert (found["width"], found["height"]) == size


def test_what_the_model_does_not_take_is_bent_and_told() -> None:
    order = Order(prompt="x", steps=50, guidance=3.5, seed=2**60)
    fitted = translate.parameters(order, SCHNELL, {})
    most = SCHNELL["properties"]["steps"]["maximum"]
    assert fitted.body == {"prompt": "x", "steps": most, "seed": 2**53 - 1}
    assert f"steps 50 was changed to {most}, which this model takes." in fitted.notes
    assert any(note.startswith("guidance ") for note in fitted.notes), "in this API's words"
    assert ours(DEV, guidance=3.5)["cfg_scale"] == 3.5


@pytest.mark.parametrize("seed", [None, -1])
def test_a_seed_that_is_to_be_drawn(seed: int | None) -> None:
    assert "seed" not in ours(seed=seed)


def test_images_find_their_places() -> None:
    images = [encoded(png(width)) for width in (1, 2, 3, 4)]
    words = ("input_image", "input_image_2", "input_image_3", "input_image_4")
    found = ours(**dict(zip(words, images, strict=True)))
    assert found["init_image"] == f"data:image/png;base64,{images[0]}"
    assert found["reference_images"] == [f"data:image/png;base64,{each}" for each in images[1:]]
    assert ours(input_image_3=images[2])["init_image"].endswith(images[2])


@pytest.mark.parametrize(
    "prefix", ["data:image/jpeg;base64,", "data:application/octet-stream,", ""]
)
def test_forms_of_an_image(prefix: str) -> None:
    text = encoded(png())
    broken = f"{text[:20]}\n{text[20:]}\n"
    assert ours(input_image=prefix + broken)["init_image"] == f"data:image/png;base64,{text}"


def test_a_step_is_run_of_an_image_to_begin_with() -> None:
    assert ours(DEV, steps=1)["steps"] == 1
    share = DEV["properties"]["strength"]["default"]
    steps = ours(DEV, steps=1, input_image=encoded(png()))["steps"]
    assert steps * share >= 1


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ({"input_image": "%"}, "input_image"),
        ({"input_image": encoded(png()), "input_image_4": "http://x/y.png"}, "input_image_4"),
    ],
)
def test_what_is_no_image(order: dict[str, str], word: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        ours(**order)
    assert [item["loc"] for item in caught.value.errors] == [[word]]


def test_our_places_in_their_words() -> None:
    places = [["cfg_scale"], ["init_image"], ["reference_images", 1], ["reference_images"], ["x"]]
    problems = [{"loc": place, "msg": "is wrong", "type": "y"} for place in places]
    found = translate.in_their_words(InvalidParameters(problems))
    assert [item["loc"] for item in found.errors] == [
        ["body", "guidance"],
        ["body", "input_image"],
        ["body", "input_image_3"],
        ["body", "input_image_2"],
        ["body", "x"],
    ]


def test_the_given_images_shape_is_kept() -> None:
    order = Order(prompt="x")
    for size, expected in [((300, 150), (1456, 720)), ((40_000, 20_000), (1456, 720))]:
        body = translate.parameters(order, KLEIN, {}, size).body
        assert (body["width"], body["height"]) == expected


def test_metadata_is_what_was_asked() -> None:
    job = replace(new_job(), origin=Origin("bfl", request={"asked": {"aspect_ratio": "1:1"}}))
    image = replace(new_image(job), recipe={"prompt": "x", "seed": 42, "steps": 4})
    assert translate.metadata(image, job) == document.HISTORY[0]["metadata"]
    assert json.loads(translate.metadata(image, None)) == {
        "width": 64,
        "height": 32,
        "steps": 4,
        "seed": 42,
    }


@pytest.mark.parametrize(
    ("status", "printed", "own"),
    [
        (JobStatus.QUEUED, "Processing", "Pending"),
        (JobStatus.PROCESSING, "Processing", "Pending"),
        (JobStatus.COMPLETED, "Ready", "Ready"),
        (JobStatus.FAILED, "Error", "Error"),
        (JobStatus.CANCELLED, "Error", "Error"),
    ],
)
def test_status_words(status: JobStatus, printed: str, own: str) -> None:
    job = new_job(status=status, id=document.ID)
    found = task.of_job(job, snapshot_of(job, [new_image(job)]))
    assert found is not None
    assert DOCUMENT.polled(found, "URL")["status"] == printed
    assert OWN.polled(found, "URL")["status"] == own


def test_a_result_is_as_printed() -> None:
    began, ended = (
        datetime(2026, 1, 21, 11, 56, 11, tzinfo=UTC),
        datetime(2026, 1, 21, 11, 56, 13, 500_000, tzinfo=UTC),
    )
    job = new_job(id=document.ID, status=JobStatus.COMPLETED, started_at=began, finished_at=ended)
    found = task.of_job(job, snapshot_of(job, [new_image(job)]))
    assert found is not None
    url = document.READY["result"]["sample"]  # type: ignore[index]
    assert DOCUMENT.polled(found, url) == document.READY
    result = OWN.polled(found, url)["result"]
    assert result == {
        "sample": url,
        "prompt": "a red field",
        "seed": 7,
        "start_time": began.timestamp(),
        "end_time": ended.timestamp(),
        "duration": 2.5,
    }


def test_what_is_not_known_is_left_out_and_never_null() -> None:
    image = replace(new_image(new_job()), recipe={"prompt": "x"})
    result = OWN.polled(task.of_image(image), "URL")["result"]
    assert result.keys() == {"sample", "prompt", "end_time"}


def test_there_is_nothing_to_show_of_downloads_and_deleted_images() -> None:
    download = new_job(kind=JobKind.DOWNLOAD)
    assert task.of_job(download, snapshot_of(download)) is None
    done = new_job(status=JobStatus.COMPLETED)
    assert task.of_job(done, snapshot_of(done, [new_image(done, index=1)])) is None
