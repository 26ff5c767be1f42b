"""The translation, both ways, with recorded JSON."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects.desktop import translate
from server.dialects.desktop.protocol import ImageToImage, Settings, TextToImage, Upscale
from server.dialects.desktop.translate import Source
from server.errors import InvalidParameters
from server.records import JobStatus
from server.snapshots import JobSnapshot
from tests.dialects.desktop import document

#: The schema of a model with four steps and no guidance, as `ModelCatalog.schema` makes it.
FEW: dict[str, Any] = {
    "properties": {
        "prompt": {"type": "string"},
        "width": {"type": "integer", "minimum": 256, "maximum": 1024, "multipleOf": 16},
        "height": {"type": "integer", "minimum": 256, "maximum": 1024, "multipleOf": 16},
        "steps": {"type": "integer", "const": 4},
        "seed": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
        "init_image": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "strength": {"type": "number", "minimum": 0.01, "maximum": 1},
    }
}

#: The schema of a model that takes whatever this API allows.
ALL: dict[str, Any] = {
    "properties": {
        **{word: {"type": "string"} for word in ("prompt", "negative_prompt", "init_image")},
        **{word: {"type": "integer"} for word in ("width", "height", "steps", "seed")},
        **{word: {"type": "number"} for word in ("cfg_scale", "strength")},
    }
}

IMAGE: dict[str, Any] = {
    "id": 7,
    "filename": "20260102_095957_abcd1234_0.png",
    "url": "/api/images/20260102_095957_abcd1234_0.png",
    "prompt": "A beautiful sunset",
    "negative_prompt": "",
    "width": 512,
    "height": 384,
    "steps": 25,
    "cfg_scale": 7.5,
    "seed": 42,
    "job_id": "20260102_095957_abcd1234",
    "created_at": "2026-01-02T10:00:00.000Z",
}


def asked(**words: Any) -> TextToImage:
    return TextToImage.model_validate({"prompt": "hills", **words})


def test_the_documents_request_in_our_words() -> None:
    request = TextToImage.model_validate(document.TEXT_TO_IMAGE)
    fitted = translate.text_to_image(request, Settings(), ALL)
    assert fitted.notes == ()
    assert fitted.body == {
        "prompt": "A beautiful sunset over mountains",
        "negative_prompt": "blurry, low quality",
        "width": 512,
        "height": 512,
        "steps": 25,
        "cfg_scale": 7.5,
        "seed": 42,
    }


def test_what_is_left_out_is_as_the_settings_say() -> None:
    settings = Settings(
        default_width=640, default_height=384, default_steps=12, default_cfg_scale=3.5
    )
    body = translate.text_to_image(asked(), settings, ALL).body
    assert body == {"prompt": "hills", "width": 640, "height": 384, "steps": 12, "cfg_scale": 3.5}
    body = translate.text_to_image(asked(steps=25, width=512), settings, ALL).body
    assert (body["steps"], body["width"], body["height"]) == (25, 512, 384)


@pytest.mark.parametrize("seed", [None, -1])
def test_a_seed_left_to_chance(seed: int | None) -> None:
    assert "seed" not in translate.text_to_image(asked(seed=seed), Settings(), ALL).body


def test_values_are_bent_and_told_in_this_apis_words() -> None:
    fitted = translate.text_to_image(asked(width=2048, height=1024), Settings(), FEW)
    assert fitted.body == {"prompt": "hills", "width": 1024, "height": 512, "steps": 4}
    assert fitted.notes == (
        "2048 × 1024 pixels were changed to 1024 × 512 for this model.",
        "steps 25 was changed to 4, which this model takes.",
        "cfgScale is not used by this model and was left out.",
    )


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ((4096, 4096), (1024, 1024)),
        ((64, 128), (256, 512)),
        ((300, 500), (304, 496)),
        ((4096, 64), (1024, 256)),
        ((1024, 1024), (1024, 1024)),
    ],
)
def test_a_size_keeps_its_shape_as_far_as_the_model_lets_it(
    wanted: tuple[int, int], size: tuple[int, int]
) -> None:
    request = asked(width=wanted[0], height=wanted[1])
    body = translate.text_to_image(request, Settings(), FEW).body
    assert (body["width"], body["height"]) == size


def test_image_to_image_in_our_words() -> None:
    request = ImageToImage.model_validate(document.IMAGE_TO_IMAGE)
    source = Source("20260102_095957_abcd1234_0.png", (640, 384))
    fitted = translate.image_to_image(request, Settings(), ALL, source)
    assert fitted.notes == ()
    assert fitted.body == {
        "prompt": "A futuristic cyberpunk version",
        "init_image": source.name,
        "strength": 0.7,
        "width": 640,
        "height": 384,
        "steps": 25,
        "cfg_scale": 7.5,
    }


def test_an_image_of_unknown_size_leaves_the_size_to_the_model() -> None:
    request = ImageToImage.model_validate(document.IMAGE_TO_IMAGE)
    fitted = translate.image_to_image(request, Settings(), ALL, Source("data:…"))
    assert not {"width", "height"} & fitted.body.keys()


def test_no_strength_is_too_little_for_a_step() -> None:
    for steps in range(1, 151):
        request = ImageToImage.model_validate(
            {**document.IMAGE_TO_IMAGE, "strength": 0, "steps": steps}
        )
        fitted = translate.image_to_image(request, Settings(), ALL, Source("data:…"))
        assert int(fitted.body["strength"] * steps) == 1
        assert fitted.notes[-1].startswith("strength 0 was changed")


def test_a_model_of_few_steps_changes_more() -> None:
    request = ImageToImage.model_validate({**document.IMAGE_TO_IMAGE, "strength": 0.1})
    fitted = translate.image_to_image(request, Settings(), FEW, Source("data:…"))
    assert (fitted.body["steps"], fitted.body["strength"]) == (4, 0.25)


def test_upscale_in_our_words() -> None:
    request = Upscale.model_validate(document.UPSCALE)
    assert translate.upscale(request, Source("x")) == {"init_image": "x", "scale": 2}


def test_an_image_in_their_words() -> None:
    shown = translate.generation(IMAGE, "http://127.0.0.1:8000")
    assert shown.model_dump(by_alias=True, exclude_none=True) == {
        "id": 7,
        "type": "image",
        "prompt": "A beautiful sunset",
        "parameters": {"width": 512, "height": 384, "steps": 25, "cfgScale": 7.5, "seed": 42},
        "filePath": "/generated/image_7.png",
        "url": "http://127.0.0.1:8000/generated/20260102_095957_abcd1234_0.png",
        "seed": 42,
        "taskId": "20260102_095957_abcd1234",
        "createdAt": "2026-01-02T10:00:00.000Z",
        "created_at": "2026-01-02T10:00:00.000Z",
    }


def test_an_image_without_steps_and_guidance() -> None:
    bare = {word: value for word, value in IMAGE.items() if word not in ("steps", "cfg_scale")}
    parameters = translate.generation(bare, "").parameters
    assert (parameters.steps, parameters.cfg_scale) == (0, 0)


@pytest.mark.parametrize(
    ("status", "done", "word", "number"),
    [
        (JobStatus.QUEUED, 0.0, "queued", 0),
        (JobStatus.PROCESSING, 0.509, "generating", 50),
        (JobStatus.COMPLETED, 1.0, "completed", 100),
        (JobStatus.FAILED, 0.25, "failed", 25),
        (JobStatus.CANCELLED, 0.25, "failed", 25),
    ],
)
def test_progress_in_their_words(status: JobStatus, done: float, word: str, number: int) -> None:
    snapshot = JobSnapshot(
        job_id="20260102_095957_abcd1234",
        attempt=1,
        seq=3,
        status=status,
        model="m",
        kind="generate",
        num_images=1,
        created_at="2026-01-02T09:59:57.000Z",
        progress=done,
    )
    message = translate.progress(snapshot)
    assert message.keys() == document.PROGRESS.keys()
    assert (message["type"], message["status"], message["progress"]) == ("progress", word, number)


def test_what_a_model_refuses_is_told_by_their_names() -> None:
    refused = InvalidParameters(
        [
            {"loc": ["init_image"], "msg": "is damaged", "type": "image"},
            {"loc": ["cfg_scale"], "msg": "is too large", "type": "less_than_equal"},
        ]
    )
    told = translate.refused(refused, "imagePath")
    assert told.message == "imagePath: is damaged; cfgScale: is too large"
