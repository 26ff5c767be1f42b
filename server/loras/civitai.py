"""Facts from civitai's own JSON about a version of a model.

Its form is that of `GET /api/v1/model-versions/{id}`, see
https://developer.civitai.com/site/reference/model-versions; `.civitai.info` files hold the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.loras.facts import MAX_PROMPTS, Facts, natural, phrases, table, text
from server.sources.kinds import Civitai

#: Civitai's licence flags, which stand at the model.
_LICENSE = (
    "allowNoCredit",
    "allowCommercialUse",
    "allowDerivatives",
    "allowDifferentLicense",
    "allowDifferentLicenses",
)


def version_facts(version: Any) -> Facts:
    """What a version's JSON says. Nothing in it is believed to be there, or of its type."""
    told = table(version)
    model = table(told.get("model"))
    model_name, version_name = text(model.get("name"), 200), text(told.get("name"), 200)
    names = [name for name in (model_name, version_name) if name is not None]
    model_id = natural(told.get("modelId")) or natural(model.get("id"))
    version_id = natural(told.get("id"))
    return Facts(
        name=model_name,
        title=" – ".join(names) if model_name is not None else None,
        trigger_words=phrases(told.get("trainedWords")),
        base_model=text(told.get("baseModel"), 100),
        model_id=model_id,
        version_id=version_id,
        license=_license({**model, **told}),
        nsfw_level=_level(told.get("nsfwLevel"), model.get("nsfwLevel")),
        source=text(told.get("air"), 300) or _reference(model_id, version_id),
        example_prompts=_prompts(told.get("images")),
    )


def _reference(model_id: int | None, version_id: int | None) -> str | None:
    return None if version_id is None else str(Civitai(model_id, version_id))


def _license(told: Mapping[str, Any]) -> dict[str, Any] | None:
    return {
        name: value for name in _LICENSE if (value := _flag(told.get(name))) is not None
    } or None


def _flag(value: Any) -> bool | str | list[str] | None:
    """A licence flag: yes or no, a word, or a list of words."""
    if isinstance(value, list):
        return [word for item in value[:10] if (word := text(item, 50)) is not None]
    return value if isinstance(value, bool) else text(value, 50)


def _level(*values: Any) -> int | None:
    """The first number of a few bits; 0 is one of them."""
    numbers = (value for value in values if isinstance(value, int) and not isinstance(value, bool))
    return next((value for value in numbers if 0 <= value < 2**16), None)


def _prompts(images: Any) -> tuple[str, ...] | None:
    found: dict[str, None] = {}
    for image in images[:200] if isinstance(images, list) else ():
        meta = table(table(image).get("meta"))
        # Some answers wrap the image's own metadata once more.
        prompt = text(meta.get("prompt")) or text(table(meta.get("meta")).get("prompt"))
        if prompt is not None:
            found.setdefault(prompt)
    return tuple(found)[:MAX_PROMPTS] or None
