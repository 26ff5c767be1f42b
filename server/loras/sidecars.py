"""The small files that lie beside a LoRA, `x.safetensors`, and tell about it.

- `x.darkroom.json`: where Darkroom downloaded it from.
- `x.metadata.json`: ComfyUI LoRA Manager's (https://github.com/willmiao/ComfyUI-Lora-Manager).
- `x.json`: AUTOMATIC1111's web UI's, with what its user entered.
- `x.civitai.info`: civitai's JSON of the version, as helpers of several programs store it.
- `x.preview.png` or `x.png` (or jpg, jpeg, webp): a picture of it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from server.errors import MalformedReference
from server.loras.civitai import version_facts
from server.loras.facts import Facts, lines, merged, number, phrases, table, text
from server.loras.hashes import AUTOV3_SHOWN, Hashes
from server.source_errors import UnsafeFile
from server.sources.kinds import Civitai, Local, Reference
from server.sources.references import parse

log = logging.getLogger(__name__)

#: Longer files are none that such programs wrote.
_LONGEST = 4 << 20

#: What ends the names of Darkroom's own records of downloads.
RECORD = ".darkroom.json"

#: What ends the names of files with civitai's words about a version.
CIVITAI = ".civitai.info"

_MANAGER = ".metadata.json"
_WEB_UI = ".json"

_IMAGES = (".png", ".jpg", ".jpeg", ".webp")

#: What ends the names of pictures, the most wanted first.
PREVIEWS = (*(f".preview{ending}" for ending in _IMAGES), *_IMAGES)

#: What ends the names of all files that belong to a LoRA.
ENDINGS = (RECORD, _MANAGER, _WEB_UI, CIVITAI, *PREVIEWS)

_LONGEST_FIRST = sorted(ENDINGS, key=len, reverse=True)


def ending_of(name: str, stems: Collection[str]) -> str | None:
    """Which of `ENDINGS` ends the name of a file that is about weights; None: it is about none.

    `x.metadata.json` may be about `x` or, as a `.json`, about `x.metadata`. If both are there, it
    is about `x`: the longer ending counts.

    Args:
        name: the file's.
        stems: the names without their ends of the weights beside it.
    """
    endings = (ending for ending in _LONGEST_FIRST if name.endswith(ending))
    return next((ending for ending in endings if name.removesuffix(ending) in stems), None)


def read_sidecars(path: Path, endings: frozenset[str], hashes: Hashes) -> list[Facts]:
    """What the files beside a LoRA say, the most trusted first. Blocks.

    What its user entered elsewhere stands above what civitai says. A file that cannot be read, or
    that is about other weights, says nothing.

    Args:
        path: the LoRA.
        endings: those of `ENDINGS` that are there.
        hashes: the LoRA's.
    """
    told = {
        ending: _read(path.with_name(path.stem + ending))
        for ending in (_WEB_UI, _MANAGER, CIVITAI, RECORD)
        if ending in endings
    }
    found = (
        _web_ui(told.get(_WEB_UI, {})),
        _manager(told.get(_MANAGER, {}), hashes.sha256),
        _civitai(told.get(CIVITAI, {}), hashes),
        _record(told.get(RECORD, {}), hashes.sha256),
    )
    return [facts for facts in found if facts != Facts()]


def preview_of(path: Path, endings: frozenset[str]) -> Path | None:
    """The picture beside a LoRA, if there is one.

    Args:
        path: the LoRA.
        endings: those of `ENDINGS` that are there.
    """
    ending = next((ending for ending in PREVIEWS if ending in endings), None)
    return None if ending is None else path.with_name(path.stem + ending)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise ValueError("it is too long")
        return table(json.loads(content.decode("utf-8-sig")))
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read, and is left out: %s", path, error)
        return {}


def _web_ui(told: Mapping[str, Any]) -> Facts:
    return Facts(
        trigger_words=phrases(told.get("activation text")),
        # 0 is where its slider stands when nobody moved it.
        weight=number(told.get("preferred weight"), -2, 2) or None,
        base_model=_base_model(told.get("sd version")),
        notes=lines(told.get("notes")),
    )


def _manager(told: Mapping[str, Any], sha256: str) -> Facts:
    hash_ = told.get("sha256")
    if isinstance(hash_, str) and hash_ and hash_.lower() != sha256:
        return Facts()
    own = Facts(
        name=text(told.get("model_name"), 200),
        weight=number(_tips(told.get("usage_tips")).get("strength"), -2, 2),
        base_model=_base_model(told.get("base_model")),
        notes=lines(told.get("notes")),
    )
    return merged((own, version_facts(told.get("civitai"))))


def _civitai(told: Mapping[str, Any], hashes: Hashes) -> Facts:
    """A version's facts, unless it tells the hashes of its files and none is this one's: the same
    weights with other metadata have the same AutoV3."""
    files = told.get("files")
    every = files if isinstance(files, list) else ()
    listed = [table(table(file).get("hashes")) for file in every]
    known = {str(each["SHA256"]).lower() for each in listed if each.get("SHA256")}
    behind = {str(each["AutoV3"]).lower() for each in listed if each.get("AutoV3")}
    is_same = hashes.sha256 in known or hashes.autov3[:AUTOV3_SHOWN] in behind
    return version_facts(told) if is_same or not known else Facts()


def _tips(told: Any) -> Mapping[str, Any]:
    """A JSON object in a text."""
    if isinstance(told, str) and len(told) <= _LONGEST:
        with contextlib.suppress(ValueError, RecursionError):
            return table(json.loads(told))
    return {}


def _record(told: Mapping[str, Any], sha256: str) -> Facts:
    if told.get("sha256") != sha256:
        return Facts()
    source = text(told.get("reference"), 1000) or text(told.get("url"), 1000)
    reference: Reference | None = None
    with contextlib.suppress(MalformedReference, UnsafeFile):
        reference = parse(source or "")
    match reference:
        case Civitai(model, version):
            return Facts(source=source, model_id=model, version_id=version)
        case Local():  # a path of this machine is nobody else's business
            return Facts()
    return Facts(source=source)


def _base_model(told: Any) -> str | None:
    """Both programs write `Unknown` for what they do not know."""
    found = text(told, 100)
    return None if found is None or found.casefold() in {"unknown", "other"} else found
