"""AUTOMATIC1111's words and ours: pure functions, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from server import pnginfo
from server.dialects.automatic1111 import prompts, samplers
from server.dialects.automatic1111.protocol import Generation, Img2Img, Progress, State
from server.errors import DarkroomError, InvalidParameters
from server.fitting import Fitted, fit, least_strength
from server.records import Job
from server.snapshots import JobSnapshot
from server.wording import shortened

#: Their names for our words, in what is told of a request.
WORDS: Mapping[str, str] = {
    "num_images": "batch_size",
    "sampler": "sampler_name",
    "init_image": "init_images",
    "mask_image": "mask",
    "strength": "denoising_strength",
    "loras": "prompt",
    "model": "sd_model_checkpoint",
}

#: How many LoRAs a message names.
MOST_NAMED = 5

#: What stands before base64 where nothing did. What the image really is shows when it is opened.
DATA_URI = "data:image/png;base64,"


def parameters(asked: Generation, schema: Mapping[str, Any]) -> Fitted:
    """A request in our words, as a model takes it.

    Args:
        asked: the request.
        schema: the JSON Schema of requests to the model.

    Raises:
        InvalidParameters: it asks for what cannot be left out: more images than the model makes at
            once, a script, or an image, a mask or a LoRA that the model does not take.
        RequestError: there is no such sampler.
    """
    _check(asked, schema)
    prompt = prompts.read(asked.prompt)
    fitted = fit(schema, _wanted(asked, prompt.text, schema)).in_words(WORDS)
    body, notes = fitted.body, [*prompt.notes, *fitted.notes]
    if prompt.loras:
        if "loras" not in schema["properties"]:
            raise _problem("prompt", _no_loras(prompt, schema), "loras_unsupported")
        body["loras"] = prompt.loras
    if isinstance(asked, Img2Img):
        body["strength"] = _running_a_step(body, notes)
    return Fitted(body, tuple(notes))


def image_source(given: str) -> str:
    """An image in base64, with or without a data URI's beginning, as our requests have it."""
    given = given.strip()
    return DATA_URI + (given.partition(",")[2] if given.startswith("data:") else given)


def echo(asked: Generation) -> dict[str, Any]:
    """The request as answers repeat it."""
    shown = asked.model_dump(mode="json")
    if isinstance(asked, Img2Img) and not asked.include_init_images:
        shown |= {"init_images": None, "mask": None}
    return shown


def info(
    asked: Generation, job: Job, ended: JobSnapshot, model: str, notes: Sequence[str]
) -> dict[str, Any]:
    """What the answer's `info` says; see `Generated`."""
    params, count = job.params, job.num_images
    first = ended.images[0] if ended.images else params
    seeds = [params["seed"] + index for index in range(count)]
    negative = params.get("negative_prompt") or ""
    return {
        "prompt": asked.prompt,
        "all_prompts": [asked.prompt] * count,
        "negative_prompt": negative,
        "all_negative_prompts": [negative] * count,
        "seed": params["seed"],
        "all_seeds": seeds,
        "subseed": -1,
        "all_subseeds": [-1] * count,
        "subseed_strength": 0,
        "width": first.get("width"),
        "height": first.get("height"),
        "sampler_name": samplers.title(params.get("sampler") or ""),
        "cfg_scale": params.get("cfg_scale"),
        "steps": params.get("steps"),
        "batch_size": asked.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": model,
        "sd_model_hash": None,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": params.get("strength") if isinstance(asked, Img2Img) else None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [pnginfo.infotext(image) for image in ended.images],
        "styles": asked.styles,
        "job_timestamp": timestamp(job),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "version": pnginfo.SOFTWARE,
        "warnings": [*notes, *ended.warnings],
    }


def answer(asked: Generation, images: Sequence[str], info: Mapping[str, Any]) -> dict[str, Any]:
    """The answer; see `Generated`."""
    return {"images": list(images), "parameters": echo(asked), "info": json.dumps(info)}


def progress(
    task: str, job: Job, shown: JobSnapshot, preview: str | None, *, interrupted: bool
) -> Progress:
    """How far a job is.

    Args:
        task: what the request is for.
        job: its job.
        shown: the job's newest snapshot.
        preview: its picture so far, in base64.
        interrupted: whether it was told to stop.
    """
    state = State(
        interrupted=interrupted,
        stopping_generation=interrupted,
        job=task,
        job_count=shown.num_images,
        job_timestamp=timestamp(job),
        job_no=shown.image_index or 0,
        sampling_step=shown.step or 0,
        sampling_steps=shown.total_steps or 0,
    )
    return Progress(
        progress=shown.progress,
        eta_relative=shown.eta_seconds or 0.0,
        state=state,
        current_image=preview,
        textinfo=shown.phase,
    )


def timestamp(job: Job) -> str:
    """When a job was submitted."""
    return f"{job.created_at:%Y%m%d%H%M%S}"


def problems(error: InvalidParameters) -> list[dict[str, Any]]:
    """What is wrong with a request, each where their words have it."""
    return [{**item, "loc": _place(item["loc"])} for item in error.errors]


def _place(loc: Sequence[str | int]) -> list[str | int]:
    if loc and loc[0] in ("body", "query", "path"):
        return list(loc)
    # Where something stands in one of our words, theirs have no place.
    return ["body", WORDS.get(str(loc[0]), str(loc[0]))] if loc else ["body"]


def _check(asked: Generation, schema: Mapping[str, Any]) -> None:
    count, most = asked.batch_size * asked.n_iter, schema["properties"]["num_images"]["maximum"]
    if count > most:
        text = f"`batch_size` × `n_iter` is {count}; {schema['title']} makes {most} at once"
        raise _problem("batch_size", text, "too_many_images")
    used = [name for name, script in asked.alwayson_scripts.items() if _is_used(script)]
    for name in filter(None, (asked.script_name, *used)):
        text = f"Script {shortened(name)!r} not found: there are no scripts and extensions here"
        raise _problem("alwayson_scripts", text, "script")
    if isinstance(asked, Img2Img):
        for word, given in (("init_image", asked.init_images), ("mask_image", asked.mask)):
            if given and word not in schema["properties"]:
                text = f"{schema['title']} takes no such image; choose another model"
                raise _problem(WORDS[word], text, "image_unsupported")
        if asked.mask and asked.inpainting_mask_invert:
            text = "is not supported: send the mask with black and white exchanged"
            raise _problem("inpainting_mask_invert", text, "invert_unsupported")


def _no_loras(prompt: prompts.Prompt, schema: Mapping[str, Any]) -> str:
    names = ", ".join(shortened(str(lora["id"])) for lora in prompt.loras[:MOST_NAMED])
    return f"{schema['title']} takes no LoRAs: take {names} out of the prompt"


def _is_used(script: Any) -> bool:
    """Whether a script would do something: extensions send themselves switched off, too."""
    args = script.get("args") if isinstance(script, dict) else script
    return bool(args[0]) if isinstance(args, list) and args else bool(args)


def _wanted(asked: Generation, prompt: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    own = schema["properties"]
    sampler = samplers.wanted(
        asked.sampler_name or asked.sampler_index,
        asked.scheduler,
        samplers.offered(own.get("sampler")),
    )
    wanted: dict[str, Any] = {
        # The web UI makes images of nothing; a space is as near to that as models come.
        "prompt": prompt or " " * own["prompt"].get("minLength", 0),
        "negative_prompt": asked.negative_prompt or None,
        "width": asked.width,
        "height": asked.height,
        "steps": asked.steps,
        "cfg_scale": asked.cfg_scale,
        "sampler": sampler if "sampler" in own else None,
        "seed": None if asked.seed < 0 else asked.seed,
        "num_images": asked.batch_size * asked.n_iter,
    }
    if isinstance(asked, Img2Img):
        wanted |= {
            "init_image": image_source(asked.init_images[0]),
            "mask_image": image_source(asked.mask) if asked.mask else None,
            "strength": asked.denoising_strength,
        }
    return wanted


def _running_a_step(body: Mapping[str, Any], notes: list[str]) -> float:
    """The strength, raised if it would leave no step."""
    strength = float(body["strength"])
    steps = int(body.get("steps", 1))
    if int(steps * strength) >= 1:
        return strength
    least = least_strength(steps)
    notes.append(
        f"strength {strength:g} was raised to {least:g}, which leaves one of {steps} steps."
    )
    return least


def _problem(word: str, text: str, kind: str) -> DarkroomError:
    return InvalidParameters([{"loc": ["body", word], "msg": text, "type": kind}])
