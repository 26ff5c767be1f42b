"""The translation, with recorded JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from server.catalog import ModelCatalog
from server.config import Settings
from server.dialects.cyberimage import NAME, translate
from server.dialects.cyberimage.asked import noted
from server.dialects.cyberimage.protocol import GenerateRequest
from server.errors import ImageNotFound
from server.jobs.manager import QueueState
from server.jobs.progress import snapshot_of
from server.jobs.statistics import Statistics
from server.model_files import ModelFiles
from server.plugins.manager import discover
from server.records import ImageRecord, Job, JobKind, JobStatus, Origin, image_object
from server.snapshots import JobSnapshot
from tests.dialects.cyberimage import document
from tests.dialects.cyberimage.asking import unlike
from tests.support import PLUGINS

CATALOG = ModelCatalog(discover(PLUGINS), ModelFiles(Settings()), "colours")
BEGUN = datetime(2024, 3, 20, 10, 30, 0, 123456, tzinfo=UTC)
JOB_ID = "20240320_103000_abcd1234"


def asked(**settings: Any) -> GenerateRequest:
    return GenerateRequest.model_validate({**document.GENERATE_BODY, "settings": settings})


def job(**values: Any) -> Job:
    """The printed job, of a model that takes its words."""
    request = GenerateRequest.model_validate(document.CURL_BODY)
    params = {"prompt": request.prompt, "steps": 35, "cfg_scale": 8.0, "num_images": 2}
    made = Job(
        id=JOB_ID,
        kind=JobKind.GENERATE,
        status=JobStatus.PROCESSING,
        model="sd-3.5-large",
        family="sd3",
        params={**params, "height": 1024, "width": 1024, "negative_prompt": "", "seed": 5},
        warnings=(),
        created_at=BEGUN,
        started_at=BEGUN,
        origin=Origin(NAME, "address:::1", "sd-3.5", noted(request)),
    )
    return replace(made, **values)


def image(index: int = 0) -> ImageRecord:
    recipe = {"prompt": document.CURL_BODY["prompt"], "steps": 35, "cfg_scale": 8.0}
    return ImageRecord(
        filename=f"{JOB_ID}_{index}.png",
        job_id=JOB_ID,
        index=index,
        model="sd-3.5-large",
        family="sd3",
        width=1024,
        height=512,
        recipe=recipe,
        created_at=BEGUN,
        seconds=12.5,
        size=10,
    )


def state(now: Job, images: int = 0, **values: Any) -> dict[str, Any]:
    """A job's state as it is answered."""
    shown: JobSnapshot = replace(snapshot_of(now, [image(i) for i in range(images)]), **values)
    return translate.job_state(now, shown, "sd-3.5")


def test_the_printed_request_in_our_words() -> None:
    fitted = translate.parameters(
        asked(**document.GENERATE_BODY["settings"]), CATALOG.schema("colours")
    )
    assert fitted.notes == ()
    assert fitted.body == {
        "prompt": "Your detailed image description",
        "negative_prompt": "Optional text describing what you don't want in the image",
        "steps": 30,
        "cfg_scale": 7.5,
        "height": 1024,
        "width": 1024,
        "num_images": 1,
    }


def test_what_is_left_out_has_the_defaults_of_the_document() -> None:
    body = translate.plain_parameters(GenerateRequest(model_id="a", prompt="b"))
    expected = {"steps": 30, "cfg_scale": 7.5, "height": 1024, "width": 1024, "num_images": 1}
    assert {word: body[word] for word in expected} == expected
    assert (body["seed"], body["negative_prompt"]) == (None, None)


@pytest.mark.parametrize(("seed", "ours"), [(7, 7), (7.0, 7), (0, 0), (-1, None), (None, None)])
def test_a_seed_is_honoured(seed: float | None, ours: int | None) -> None:
    assert translate.plain_parameters(asked(seed=seed))["seed"] == ours


def test_values_are_bent_to_the_model_in_words_of_the_api() -> None:
    wanted = asked(num_inference_steps=35, width=1001, height=10_000, guidance_scale=0)
    fitted = translate.parameters(wanted, CATALOG.schema("colours-four-step"))
    assert (fitted.body["steps"], fitted.body["cfg_scale"]) == (4, 1)
    assert (fitted.body["width"], fitted.body["height"]) == (1008, 2048)
    assert [note.split()[0] for note in fitted.notes] == [
        "num_inference_steps", "guidance_scale", "height", "width"
    ]  # fmt: skip


def test_a_model_without_negative_prompts_ignores_them_without_a_word() -> None:
    schema = CATALOG.schema("colours")
    words = {
        word: value for word, value in schema["properties"].items() if word != "negative_prompt"
    }
    fitted = translate.parameters(asked(), {**schema, "properties": words})
    assert "negative_prompt" not in fitted.body
    assert fitted.notes == ()


def test_what_is_echoed_is_bounded() -> None:
    long = {f"word{number}": number for number in range(100)}
    kept = noted(asked(callback_steps=5, callback=None, note="x" * 300, huge=float("inf"), **long))
    assert kept["settings"]["callback_steps"] == 5
    assert kept["settings"]["callback"] is None
    assert kept["settings"]["width"] == 1024
    assert kept["settings"].keys().isdisjoint({"note", "huge"})
    assert len(kept["settings"]) == 32


def test_a_running_job_is_as_printed() -> None:
    shown = state(job(), phase="generating", image_index=0, step=15, total_steps=30)
    expected = {
        **document.PROCESSING,
        "id": JOB_ID,
        "model_id": "sd-3.5",
        "prompt": document.CURL_BODY["prompt"],
        "negative_prompt": document.CURL_BODY["negative_prompt"],
        "settings": document.CURL_BODY["settings"],
        "started_at": "2024-03-20T10:30:00Z",
    }
    assert shown == expected


@pytest.mark.parametrize(
    ("phase", "flag", "message"),
    [
        ("preparing", "preparing", "Preparing..."),
        ("loading", "loading_model", "Loading the model..."),
        ("generating", "generating", "Generating image 2 of 2... Step 0/35"),
        ("saving", "saving", "Saving image 2 of 2..."),
    ],
)
def test_a_running_job_has_one_flag(phase: str, flag: str, message: str) -> None:
    shown = state(job(), phase=phase, image_index=1)
    assert [word for word, value in shown["progress"].items() if value is True] == [flag]
    assert shown["message"] == message
    assert "error_message" not in shown


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"queue_position": 3}, "Job is queued at position 3"),
        ({}, "Job is queued"),
        ({"phase": "downloading"}, "Downloading the model..."),
        (
            {"phase": "downloading", "download": {"bytes": 30, "total_bytes": 120}},
            "Downloading the model (25 %)...",
        ),
    ],
)
def test_a_waiting_job_has_no_flag(values: dict[str, Any], message: str) -> None:
    shown = state(job(status=JobStatus.QUEUED, started_at=None), **values)
    assert (shown["status"], shown["message"]) == ("pending", message)
    assert True not in shown["progress"].values()
    assert shown["started_at"] is None


def test_a_finished_job_is_as_printed() -> None:
    shown = state(job(status=JobStatus.COMPLETED, finished_at=BEGUN), images=2)
    assert unlike(document.COMPLETED, shown) == []
    assert shown["images"][1]["file_path"] == f"2024/03/20/img_{JOB_ID}_1.png"
    assert shown["images"][1]["metadata"]["negative_prompt"] is None, "the model took none"
    assert (shown["progress"]["step"], shown["progress"]["total_steps"]) == (35, 35)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (JobStatus.FAILED, ("out_of_memory", "Too large."), "Too large."),
        (JobStatus.FAILED, ("out_of_memory", ""), "The job failed"),
        (JobStatus.CANCELLED, (None, None), "The job was cancelled"),
    ],
)
def test_a_job_that_brought_nothing_says_why_twice(
    status: JobStatus, error: tuple[str | None, str | None], message: str
) -> None:
    shown = state(job(status=status, error_code=error[0], error_message=error[1]))
    assert (shown["status"], shown["progress"]["failed"]) == ("failed", True)
    assert shown["message"] == shown["error_message"] == message


def test_jobs_and_images_of_other_apis_are_translated() -> None:
    other = job(origin=Origin(), model="colours")
    shown = translate.job_state(other, snapshot_of(other, [image()]), "colours")
    assert shown["model_id"] == "colours"
    assert shown["negative_prompt"] is None
    assert shown["settings"] == {**document.PROCESSING["settings"]}
    assert shown["images"][0]["metadata"]["settings"]["height"] == 512, "the image's own"
    forgotten = translate.metadata(image_object(image(1)), None, "colours")
    assert (forgotten["image_number"], forgotten["total_images"]) == (2, 2)
    assert forgotten["generation_time"] == 12.5


@pytest.mark.parametrize(
    "name", ["", "img_", "img_1", f"{JOB_ID}_0", f"img_{JOB_ID}_0.png", f"img_{JOB_ID}_x", "../x"]
)
def test_what_is_no_id_of_an_image(name: str) -> None:
    with pytest.raises(ImageNotFound, match="There is no image"):
        translate.filename(name)


def test_the_id_of_an_image_leads_to_its_file() -> None:
    name = translate.image_id(image_object(image(3)))
    assert name == f"img_{JOB_ID}_3"
    assert translate.filename(name) == f"{JOB_ID}_3.png"


def test_the_printed_queue() -> None:
    printed = document.DETAILED_QUEUE
    models = {
        "sd-3.5": {JobStatus.PROCESSING: 1, JobStatus.COMPLETED: 15, JobStatus.FAILED: 1},
        "flux-1": {JobStatus.QUEUED: 1, JobStatus.COMPLETED: 10, JobStatus.CANCELLED: 1},
    }
    queue = translate.queue(QueueState(False, 2, 1, completed=150, failed=1, cancelled=2))
    assert queue == document.QUEUE
    assert {**queue, **translate.details(Statistics(models, 45.2299))} == printed


def test_a_queue_without_history() -> None:
    told = translate.details(Statistics({}, None))
    assert (told["avg_processing_time_seconds"], told["failure_rate"]) == (0.0, 0.0)
    assert (told["models"], told["recent_24h"]["total"]) == ({}, 0)
