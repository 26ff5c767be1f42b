"""What a job was asked for, in this API's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.dialects.cyberimage import NAME
from server.dialects.cyberimage.protocol import MAX_ECHO, MAX_SETTINGS, GenerateRequest, Settings
from server.records import Job

#: Its words for numbers that recipes have, in the order in which it shows them.
OURS: Mapping[str, str] = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
    "height": "height",
    "width": "width",
}

#: What a request that leaves them out is taken to ask for.
DEFAULTS: Mapping[str, Any] = Settings().model_dump(include=set(OURS))


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for: `negative_prompt` None where there was none, `settings` with this
    API's defaults for what was left out."""

    model_id: str
    prompt: str
    negative_prompt: str | None
    settings: Mapping[str, Any]


def noted(request: GenerateRequest) -> dict[str, Any]:
    """What a job has to remember of a request to answer about it later."""
    given = {} if request.settings is None else request.settings.model_dump(exclude_unset=True)
    shown = {word: value for word, value in given.items() if _is_short(word, value)}
    settings = {**{word: DEFAULTS[word] for word in OURS}, **shown}
    return {
        "negative_prompt": request.negative_prompt,
        "settings": dict([*settings.items()][:MAX_SETTINGS]),
    }


def of_job(job: Job, model_id: str) -> Asked:
    """What a job was asked for; jobs of other APIs are translated.

    Args:
        job: the job.
        model_id: what this API calls its model.
    """
    return _of_mine(job, model_id) or _translated(job.params, model_id)


def of_image(image: Mapping[str, Any], job: Job | None, model_id: str) -> Asked:
    """What was asked for to get an image.

    Args:
        image: it, as our own API shows it.
        job: the job that made it, unless that is forgotten.
        model_id: what this API calls its model.
    """
    return (job and _of_mine(job, model_id)) or _translated(image, model_id)


def _of_mine(job: Job, model_id: str) -> Asked | None:
    if job.origin.dialect != NAME:
        return None
    kept = job.origin.request
    prompt = str(job.params["prompt"])
    return Asked(model_id, prompt, kept["negative_prompt"], kept["settings"])


def _translated(recipe: Mapping[str, Any], model_id: str) -> Asked:
    """What must have been asked for to get this."""
    settings = {theirs: recipe[ours] for theirs, ours in OURS.items() if ours in recipe}
    prompt = str(recipe.get("prompt", ""))
    return Asked(model_id, prompt, recipe.get("negative_prompt") or None, settings)


def _is_short(word: str, value: Any) -> bool:
    try:
        return len(json.dumps([word, value], allow_nan=False)) <= MAX_ECHO
    except ValueError:  # a number such as 1e999, which JSON's readers take for infinite
        return False
