"""AUTOMATIC1111's words become ours, for models that take less than its clients may ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from server.dialects.automatic1111 import samplers, translate
from server.dialects.automatic1111.prompts import read
from server.dialects.automatic1111.protocol import Img2Img, Progress, Txt2Img
from server.errors import InvalidParameters, RequestError
from server.records import Job, JobKind, JobStatus
from server.snapshots import JobSnapshot
from tests.dialects.automatic1111.recorded import BODIES, IDLE, LIBRECHAT, OPEN_WEBUI, WEBUIAPI

SAMPLERS = ["euler", "euler_a", "euler_karras", "dpm++_2m", "dpm++_2m_karras", "uni_pc"]


def number(kind: str, least: float, most: float, **more: Any) -> dict[str, Any]:
    return {"type": kind, "minimum": least, "maximum": most, **more}


#: A model that takes everything.
RICH: dict[str, Any] = {
    "title": "Rich",
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "negative_prompt": {"type": "string"},
        "width": number("integer", 64, 2048, multipleOf=16),
        "height": number("integer", 64, 2048, multipleOf=16),
        "steps": number("integer", 1, 30),
        "cfg_scale": number("number", 1, 20),
        "sampler": {"enum": SAMPLERS, "default": "dpm++_2m"},
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "num_images": number("integer", 1, 10),
        "init_image": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "strength": number("number", 0.01, 1),
        "loras": {"type": "array"},
    },
}

#: A model that takes little, and runs four steps.
POOR: dict[str, Any] = {
    "title": "Poor",
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "width": number("integer", 64, 1024, multipleOf=16),
        "height": number("integer", 64, 1024, multipleOf=16),
        "steps": {"const": 4, "type": "integer"},
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "num_images": number("integer", 1, 10),
    },
}

MASKING = {**RICH, "properties": {**RICH["properties"], "mask_image": {"type": "string"}}}


def asked(**words: Any) -> Txt2Img:
    return Txt2Img.model_validate(words)


def begun(**words: Any) -> Img2Img:
    return Img2Img.model_validate({"init_images": ["AAAA"], **words})


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("schema", [RICH, POOR], ids=["rich", "poor"])
def test_recorded_requests_fit_every_model(name: str, schema: dict[str, Any]) -> None:
    fitted = translate.parameters(asked(**BODIES[name]), schema)
    assert fitted.body.keys() <= schema["properties"].keys()
    assert fitted.body["prompt"] == BODIES[name]["prompt"]
    assert fitted.body["width"] == int(BODIES[name]["width"])


def test_what_the_model_takes_is_left_as_it_is() -> None:
    fitted = translate.parameters(asked(**WEBUIAPI), RICH)
    assert fitted.body == {
        "prompt": "a red lighthouse",
        "width": 512,
        "height": 512,
        "steps": 20,
        "cfg_scale": 7.0,
        "sampler": "euler_a",
        "seed": 1003,
        "num_images": 1,
    }
    assert fitted.notes == ()


def test_the_web_uis_own_defaults_are_those_of_requests_that_say_nothing() -> None:
    wide = {**RICH, "properties": {**RICH["properties"], "steps": number("integer", 1, 150)}}
    fitted = translate.parameters(asked(prompt="x"), wide)
    assert fitted.body == {
        "prompt": "x",
        "width": 512,
        "height": 512,
        "steps": 50,
        "cfg_scale": 7.0,
        "sampler": "euler",
        "num_images": 1,
    }


def test_other_values_are_bent_and_it_is_said() -> None:
    fitted = translate.parameters(asked(**OPEN_WEBUI), POOR)
    assert fitted.body == {
        "prompt": "a red lighthouse at night",
        "width": 512,
        "height": 512,
        "steps": 4,
        "num_images": 2,
    }
    assert [note.split(" ")[0] for note in fitted.notes] == [
        "negative_prompt",
        "steps",
        "cfg_scale",
    ]


def test_numbers_may_come_as_texts() -> None:
    fitted = translate.parameters(asked(**LIBRECHAT), RICH)
    assert (fitted.body["cfg_scale"], fitted.body["steps"], fitted.body["width"]) == (4.5, 22, 1024)
    assert fitted.body["sampler"] == "dpm++_2m_karras"


@pytest.mark.parametrize(
    ("name", "schedule", "sampler"),
    [
        ("Euler a", "Automatic", "euler_a"),
        ("Euler a", "Karras", "euler_a"),
        ("Euler", "karras", "euler_karras"),
        ("DPM++ 2M Karras", "Automatic", "dpm++_2m_karras"),
        ("DPM++ 2M", "Karras", "dpm++_2m_karras"),
        ("DPM++ 2M Karras", "Exponential", "dpm++_2m_karras"),
        ("DPM++ 2M SGM Uniform", "", "dpm++_2m"),
        ("uni_pc", "", "uni_pc"),
        ("UniPC", "Nobody's", "uni_pc"),
        ("DPM++ 3M SDE Exponential", "Automatic", "DPM++ 3M SDE Exponential"),
        ("N/A", "Automatic", None),
        ("", "", None),
    ],
)
def test_which_sampler_is_meant(name: str, schedule: str, sampler: str | None) -> None:
    assert samplers.wanted(name, schedule, SAMPLERS) == sampler


def test_a_sampler_that_the_model_lacks_is_its_own() -> None:
    fitted = translate.parameters(asked(prompt="x", sampler_name="Restart"), RICH)
    assert fitted.body["sampler"] == "dpm++_2m"
    assert "sampler_name Restart was changed to dpm++_2m, which this model takes." in fitted.notes


def test_a_sampler_that_there_is_nowhere_is_refused() -> None:
    with pytest.raises(RequestError, match="Sampler not found: 'Eulerian'"):
        translate.parameters(asked(sampler_name="Eulerian"), RICH)


def test_a_negative_seed_is_drawn() -> None:
    assert "seed" not in translate.parameters(asked(prompt="x", seed=-1), RICH).body
    assert translate.parameters(asked(prompt="x", seed=0), RICH).body["seed"] == 0


def test_a_prompt_of_nothing_is_as_near_to_nothing_as_the_model_takes() -> None:
    assert translate.parameters(asked(), RICH).body["prompt"] == " "


# --- LoRAs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "weight"),
    [
        ("<lora:one:0.8>", 0.8),
        ("<lora:one>", 1.0),
        ("<lora:one:-1>", -1.0),
        ("<lyco:one:.5>", 0.5),
        ("<lora:one:0.8:0.8>", 0.8),
        ("<lora:one:te=0.5:unet=0.5>", 0.5),
        ("<lora:one:0.8:dyn=64>", 0.8),
    ],
)
def test_tags_are_taken_out_of_the_prompt(tag: str, weight: float) -> None:
    found = read(f"a cat {tag}, sitting")
    assert (found.text, found.loras) == ("a cat, sitting", [{"id": "one", "weight": weight}])
    assert found.notes == ()


@pytest.mark.parametrize(
    ("tag", "weight", "note"),
    [
        ("<lora:one:5>", 2.0, "The weight of <lora:one:5> was changed to 2."),
        ("<lora:one:1:0.5>", 0.5, "Of <lora:one:1:0.5> the weight 0.5 counts, for all of it."),
    ],
)
def test_weights_that_a_lora_cannot_have_are_bent(tag: str, weight: float, note: str) -> None:
    found = read(tag)
    assert (found.loras, found.notes) == ([{"id": "one", "weight": weight}], (note,))


@pytest.mark.parametrize("tag", ["<lora:one:high>", "<lora:one:nan>", "<lora:one:>"])
def test_a_weight_that_is_no_number_is_refused(tag: str) -> None:
    with pytest.raises(InvalidParameters) as refusal:
        read(tag)
    assert refusal.value.errors[0]["loc"] == ["body", "prompt"]
    assert tag in refusal.value.errors[0]["msg"]


def test_loras_reach_models_that_take_them_and_no_others() -> None:
    fitted = translate.parameters(asked(prompt="a cat <lora:one:0.8>"), RICH)
    assert (fitted.body["prompt"], fitted.body["loras"]) == (
        "a cat",
        [{"id": "one", "weight": 0.8}],
    )
    with pytest.raises(InvalidParameters, match=r"Poor takes no LoRAs: take one out"):
        translate.parameters(asked(prompt="a cat <lora:one:0.8>"), POOR)


# --- images to begin with --------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["AAAA", " AAAA\n", "data:image/png;base64,AAAA", "data:image/gif;base64,AAAA"]
)
def test_images_may_come_bare_or_as_data_uris(given: str) -> None:
    fitted = translate.parameters(begun(init_images=[given]), RICH)
    assert fitted.body["init_image"] == "data:image/png;base64,AAAA"
    assert fitted.body["strength"] == 0.75


@pytest.mark.parametrize("steps", [1, 3, 7, 29, 30])
def test_at_least_one_step_is_run(steps: int) -> None:
    body = translate.parameters(begun(denoising_strength=0, steps=steps), RICH).body
    assert int(body["steps"] * body["strength"]) == 1


def test_an_image_or_a_mask_that_the_model_does_not_take_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="init_images: Poor takes no such image"):
        translate.parameters(begun(), POOR)
    with pytest.raises(InvalidParameters, match="mask: Rich takes no such image"):
        translate.parameters(begun(mask="AAAA"), RICH)
    assert translate.parameters(begun(mask="AAAA"), MASKING).body["mask_image"] == (
        "data:image/png;base64,AAAA"
    )


def test_a_mask_to_be_turned_round_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="inpainting_mask_invert: is not supported: send"):
        translate.parameters(begun(mask="AAAA", inpainting_mask_invert=1), MASKING)
    assert "mask_image" not in translate.parameters(begun(inpainting_mask_invert=1), RICH).body


# --- what cannot be left out -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"batch_size": 4, "n_iter": 3}, "`batch_size` × `n_iter` is 12; Rich makes 10 at once"),
        ({"script_name": "x/y/z plot"}, "Script 'x/y/z plot' not found"),
        ({"alwayson_scripts": {"ControlNet": {"args": [{"image": "AAAA"}]}}}, "'ControlNet'"),
    ],
)
def test_what_cannot_be_left_out_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        translate.parameters(asked(prompt="x", **words), RICH)


@pytest.mark.parametrize("args", [[], [False], [False, {"ad_model": "None"}]])
def test_extensions_that_are_off_are_left_out(args: list[Any]) -> None:
    scripts = {"ADetailer": {"args": args}}
    assert translate.parameters(asked(prompt="x", alwayson_scripts=scripts), RICH).body


@pytest.mark.parametrize("value", ["\ud800", float("nan"), [{"deep": "\udfff"}]])
def test_what_could_not_be_echoed_is_refused(value: Any) -> None:
    for body in ({"unknown": value}, {"script_args": [value]}, {"override_settings": {"a": value}}):
        with pytest.raises(ValidationError, match="could be written again"):
            Txt2Img.model_validate(body)


# --- answers -----------------------------------------------------------------------------------


def job(**params: Any) -> Job:
    moment = datetime(2026, 1, 21, 11, 56, 10, tzinfo=UTC)
    known = {"prompt": "x", "seed": 7, "num_images": 2, **params}
    return Job("id", JobKind.GENERATE, JobStatus.QUEUED, "rich", "rich", known, (), moment)


def snapshot(**words: Any) -> JobSnapshot:
    usual: dict[str, Any] = {
        "job_id": "id",
        "attempt": 1,
        "seq": 1,
        "status": JobStatus.PROCESSING,
        "model": "rich",
        "kind": "generate",
        "num_images": 2,
        "created_at": "2026-01-21T11:56:10.000Z",
    }
    return JobSnapshot(**{**usual, **words})


def test_progress_tells_the_image_and_its_step() -> None:
    shown = snapshot(progress=0.6, image_index=1, step=2, total_steps=10, eta_seconds=3.5)
    told = translate.progress("txt2img", job(), shown, "JPEG", interrupted=True)
    assert told.model_dump() == {
        "progress": 0.6,
        "eta_relative": 3.5,
        "state": {
            "skipped": False,
            "interrupted": True,
            "stopping_generation": True,
            "job": "txt2img",
            "job_count": 2,
            "job_timestamp": "20260121115610",
            "job_no": 1,
            "sampling_step": 2,
            "sampling_steps": 10,
        },
        "current_image": "JPEG",
        "textinfo": None,
    }


def test_idle_is_what_clients_wait_for() -> None:
    assert Progress().model_dump() == IDLE


def test_a_stopped_job_is_told_with_what_it_had_made() -> None:
    ended = snapshot(status=JobStatus.CANCELLED)
    told = translate.info(asked(prompt="x <lora:one:1>"), job(), ended, "rich", ["a note"])
    assert told["all_seeds"] == [7, 8]
    assert told["all_prompts"] == ["x <lora:one:1>"] * 2
    assert (told["infotexts"], told["warnings"]) == ([], ["a note"])


def test_given_images_are_not_echoed_unless_asked_for() -> None:
    assert translate.echo(begun())["init_images"] is None
    assert translate.echo(begun(include_init_images=True))["init_images"] == ["AAAA"]
