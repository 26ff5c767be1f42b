"""Facts from the texts in a safetensors header: `modelspec.*`, and those of kohya's trainer.

`modelspec.*` is https://github.com/Stability-AI/ModelSpec; `ss_*` is written by
https://github.com/kohya-ss/sd-scripts and by what follows it; `lora_adapter_metadata` is peft's
configuration as diffusers stores it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from server.loras.facts import MAX_PHRASE, Facts, natural, number, phrases, table, text

#: The share of the training images that a suggested trigger word was written to.
_NEARLY_ALL = 0.95
#: Most words suggested.
_SUGGESTED = 3
#: Tags that tell how many people are to be seen; nobody trained them.
_COMMON = frozenset({"1girl", "1boy", "solo", "2girls", "2boys", "1person", "no humans"})
#: Longer texts are no metadata that a trainer wrote.
_LONGEST = 8 << 20


def metadata_facts(metadata: Mapping[str, str]) -> list[Facts]:
    """What a header's texts say, the most trusted first: `modelspec.*`, `ss_*`, and trigger words
    suggested by the tags of the training images."""
    return [_modelspec(metadata), _kohya(metadata), _suggestion(metadata)]


def _modelspec(metadata: Mapping[str, str]) -> Facts:
    told = {
        name.removeprefix("modelspec."): value
        for name, value in metadata.items()
        if name.startswith("modelspec.")
    }
    title, license_ = text(told.get("title"), 200), text(told.get("license"), 200)
    return Facts(
        name=title,
        title=title,
        trigger_words=phrases(told.get("trigger_phrase")),
        base_model=text(told.get("architecture"), 100),
        license=None if license_ is None else {"license": license_},
    )


def _kohya(metadata: Mapping[str, str]) -> Facts:
    name = text(metadata.get("ss_output_name"), 200)
    base = text(metadata.get("ss_base_model_version"), 100)
    return Facts(
        name=_known(name),
        title=_known(name),
        base_model=_known(base) or _base_model(metadata),
        alpha=number(metadata.get("ss_network_alpha"), 0, 1e6) or _peft_alpha(metadata),
    )


def _base_model(metadata: Mapping[str, str]) -> str | None:
    """As others than the trainer say it, else the name of the file of the model."""
    words = (text(metadata.get(name), 100) for name in ("base_model", "ss_sd_model_name"))
    return next((word for word in words if _known(word)), None)


def _known(word: str | None) -> str | None:
    """Trainers write `None` for what they were not told."""
    return None if word == "None" else word


def _peft_alpha(metadata: Mapping[str, str]) -> float | None:
    config = _json(metadata.get("lora_adapter_metadata"))
    values = (value for name, value in config.items() if name.endswith("lora_alpha"))
    return next((found for value in values if (found := number(value, 0, 1e6)) is not None), None)


def _suggestion(metadata: Mapping[str, str]) -> Facts:
    """Tags that nearly all training images have."""
    counts: Counter[str] = Counter()
    for tag, count in _tags(_json(metadata.get("ss_tag_frequency"))):
        counts[tag] += count
    most = _images(metadata) or max(counts.values(), default=0)
    found = [
        tag
        for tag, count in counts.most_common(20)
        if count >= _NEARLY_ALL * most and tag.casefold() not in _COMMON
    ]
    return Facts(trigger_words=tuple(found[:_SUGGESTED]) or None)


def _tags(frequency: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for tags in frequency.values():
        for tag, count in table(tags).items():
            word, times = text(tag, MAX_PHRASE), natural(count)
            if word is not None and times is not None:
                yield word, times


def _images(metadata: Mapping[str, str]) -> int:
    """How many images were tagged, repetitions apart; 0 when it is not told."""
    folders = _json(metadata.get("ss_dataset_dirs")).values()
    return sum(natural(table(folder).get("img_count")) or 0 for folder in folders)


def _json(value: str | None) -> Mapping[str, Any]:
    if value is None or len(value) > _LONGEST:
        return {}
    try:
        return table(json.loads(value))
    except (ValueError, RecursionError):
        return {}
