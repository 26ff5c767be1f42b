"""LoRAs in an infotext: `<lora:NAME:WEIGHT>` behind the prompt, and two settings about them.

- `Lora hashes: "NAME: HASH, …"` is AUTOMATIC1111's web UI's; HASH is the first 12 digits of AutoV3.
- `Civitai resources: [{…}, …]` is civitai's: bare JSON, which its reader looks for behind a comma.
  Signs inside its texts are escaped, so that readers of settings find none in them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.lora_tags import LoraTag, tag_of, take_out

HASHES, RESOURCES = "Lora hashes", "Civitai resources"

#: What civitai calls the kinds of files that are LoRAs here.
_TYPES = frozenset({"lora", "locon", "lycoris", "dora"})

#: How many digits of AutoV3 tell a file, in a hash of an infotext and in an id.
_DIGITS = 12

_ID = re.compile(r"civitai_(\d{1,18})", re.ASCII)
_HASH = re.compile(rf"([0-9a-f]{{{_DIGITS}}})[0-9a-f]*", re.IGNORECASE)
_TRAILING = re.compile(r"(?: ?<lora:[^<>]*>)+\Z")
_RESOURCES = re.compile(rf"(?:^|,)\s*{RESOURCES}:\s*(?=\[)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SIGN = re.compile(r"[:,\[\]{}]")

#: A LoRA as a recipe has it: at least `id`.
Ref = Mapping[str, Any]


def tags(loras: Sequence[Ref]) -> str:
    """What stands behind the prompt."""
    return "".join(f" {_tag(ref)}" for ref in loras)


def hashes(loras: Sequence[Ref]) -> str:
    """The value of `HASHES`; an empty text when no hash is known."""
    known = ((_tag(ref).name, ref.get("autov3")) for ref in loras)
    return ", ".join(f"{name}: {autov3[:_DIGITS]}" for name, autov3 in known if autov3)


def resources(loras: Sequence[Ref]) -> str:
    """The value of `RESOURCES`."""
    text = json.dumps([_resource(ref) for ref in loras], separators=(",", ":"))
    return _STRING.sub(lambda string: _SIGN.sub(_escape, string[0]), text)


def cut_resources(line: str) -> tuple[str, str]:
    """A line of settings without `RESOURCES`, and that one's value; an empty text without one."""
    start = _RESOURCES.search(line)
    if start is None:
        return line, ""
    try:
        _, end = json.JSONDecoder().raw_decode(line, start.end())
    except (ValueError, RecursionError):  # nested without end
        return line, ""
    return line[: start.start()] + line[end:], line[start.end() : end]


def read(prompt: str, hashes: str, resources: str) -> tuple[str, list[dict[str, Any]]]:
    """The prompt without tags, and the LoRAs, each with `id` and where it is told `weight`.

    Args:
        prompt: with tags; without any, the LoRAs are those of `resources`.
        hashes: the value of `HASHES`, or an empty text.
        resources: the value of `RESOURCES`, or an empty text.

    Returns:
        The ids are `civitai_{version}` where the version is known, else `local_{hash}` where the
        hash is, else the name in the tag.
    """
    entries = _entries(resources)
    text, found = _split(prompt)
    if not found:
        return prompt, [
            {"id": f"civitai_{entry['modelVersionId']}", **_weight(entry.get("weight"))}
            for entry in entries
            if _is_number(entry.get("modelVersionId"))
        ]
    by_name = dict(pair.strip().rsplit(": ", 1) for pair in hashes.split(",") if ": " in pair)
    is_parallel = len(entries) == len(found)
    by_position = entries if is_parallel else [{}] * len(found)
    return text, [
        {"id": _id(tag, entry, by_name.get(tag.name, "")), **_weight(*tag.numbers[:1])}
        for tag, entry in zip(found, by_position, strict=True)
    ]


def _tag(ref: Ref) -> LoraTag:
    weight = ref.get("weight")
    return tag_of(ref.get("name") or ref["id"], 1.0 if weight is None else weight)


def _resource(ref: Ref) -> dict[str, Any]:
    version = _ID.fullmatch(ref["id"])
    known = {} if version is None else {"modelVersionId": int(version[1])}
    weight = ref.get("weight")
    told = {"type": "lora", "weight": 1.0 if weight is None else weight}
    return {**told, **known, "modelName": ref.get("name") or ref["id"]}


def _escape(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04x}"


def _split(prompt: str) -> tuple[str, list[LoraTag]]:
    """What we put behind a prompt comes off without a trace; other tags as in requests."""
    end = _TRAILING.search(prompt)
    body = prompt if end is None else prompt[: end.start()]
    text, within = take_out(body)
    return text, within + take_out(prompt[len(body) :])[1]


def _entries(resources: str) -> list[dict[str, Any]]:
    found = json.loads(resources) if resources else []
    return [
        entry
        for entry in found
        if isinstance(entry, dict) and str(entry.get("type", "")).lower() in _TYPES
    ]


def _id(tag: LoraTag, entry: Mapping[str, Any], known: str) -> str:
    if _is_number(entry.get("modelVersionId")):
        return f"civitai_{entry['modelVersionId']}"
    digits = _HASH.fullmatch(known)
    return tag.name if digits is None else f"local_{digits[1].lower()}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _weight(value: Any = None) -> dict[str, float]:
    try:
        weight = float(value)
    except (TypeError, ValueError, OverflowError):
        return {}
    return {"weight": weight} if math.isfinite(weight) else {}
