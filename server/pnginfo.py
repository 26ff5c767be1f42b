"""The recipe inside a PNG, as text chunks: written for Darkroom and for everybody else.

Chunk `darkroom` is the recipe as JSON and loses nothing. Chunk `parameters` is the infotext that
AUTOMATIC1111's web UI introduced and many tools read::

    a red circle
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, CFG scale: 3.0, Seed: 7, Size: 128x128, Model: m, Version: …

The prompt there is the one that was encoded: with the trigger words of LoRAs, whose tags follow it
(`server.lora_infotext`).

Its grammar is ambiguous. `parse_infotext(infotext(recipe))` gives back every word of `SETTINGS`,
the size, both prompts and the LoRAs' weights exactly if no line of the prompt begins with
`Negative prompt:`, it holds no `<lora:…>`, and the prompts hold neither NUL nor lone surrogates,
which PNG text cannot carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import __version__, lora_infotext

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

SOFTWARE = f"darkroom {__version__}"

#: The chunk with our own recipe, and the one with the infotext.
RECIPE_KEYWORD, INFOTEXT_KEYWORD = "darkroom", "parameters"

#: Our samplers under the names that other tools know.
SAMPLER_TITLES: Mapping[str, str] = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpm++_2m": "DPM++ 2M",
    "dpm++_2m_sde": "DPM++ 2M SDE",
    "dpm++_sde": "DPM++ SDE",
    "ddim": "DDIM",
    "heun": "Heun",
    "lms": "LMS",
    "uni_pc": "UniPC",
    "euler_karras": "Euler Karras",
    "dpm++_2m_karras": "DPM++ 2M Karras",
    "dpm++_2m_sde_karras": "DPM++ 2M SDE Karras",
    "dpm++_sde_karras": "DPM++ SDE Karras",
    "heun_karras": "Heun Karras",
    "lms_karras": "LMS Karras",
    "uni_pc_karras": "UniPC Karras",
}
_SAMPLERS = {title: name for name, title in SAMPLER_TITLES.items()}

#: Our words, in the order of the infotext, each with its name there and how it is read back.
SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "steps": ("Steps", int),
    "sampler": ("Sampler", lambda title: _SAMPLERS.get(title, title)),
    "cfg_scale": ("CFG scale", float),
    "seed": ("Seed", int),
    "model": ("Model", str),
}
_WORDS = {title: (word, read) for word, (title, read) in SETTINGS.items()}

_NEGATIVE = "Negative prompt:"
_SETTING = re.compile(r'\s*(?P<name>[^:,"]+):\s*(?P<value>"(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')

#: A last line with fewer settings than this is part of the prompt.
_FEWEST_SETTINGS = 3


def document(recipe: Mapping[str, Any], job_id: str, index: int) -> dict[str, Any]:
    """What the `darkroom` chunk of an image says: its recipe, where it is from, what made it."""
    return {**recipe, "job_id": job_id, "index": index, "software": SOFTWARE}


def chunks(recipe: Mapping[str, Any]) -> PngInfo:
    """Both text chunks for Pillow's `save(..., pnginfo=...)`."""
    # Here and below, because the web process starts smaller without Pillow.
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(RECIPE_KEYWORD, json.dumps(recipe))
    info.add_text(INFOTEXT_KEYWORD, infotext(recipe))
    return info


def read(png: bytes | Path) -> dict[str, Any] | None:
    """The recipe inside a PNG, our own chunk preferred; None if there is none.

    Raises:
        OSError: it is not an image, or the file cannot be read.
    """
    from PIL import Image

    with Image.open(BytesIO(png) if isinstance(png, bytes) else png) as image:
        texts = dict(image.info)
    try:
        recipe = json.loads(texts.get(RECIPE_KEYWORD, ""))
    except (TypeError, ValueError):  # absent, or somebody else's
        recipe = None
    if isinstance(recipe, dict):
        return recipe
    text = texts.get(INFOTEXT_KEYWORD)
    return parse_infotext(text) if isinstance(text, str) else None


def infotext(recipe: Mapping[str, Any]) -> str:
    """The recipe as infotext; what PNG text cannot carry is replaced."""
    encoded = recipe.get("encoded_prompt")
    prompt = recipe["prompt"] if encoded is None else encoded
    lines = [prompt + lora_infotext.tags(_loras(recipe))]
    if recipe.get("negative_prompt"):
        lines.append(f"{_NEGATIVE} {recipe['negative_prompt']}")
    settings = [f"{name}: {_quote(value)}" for name, value in _settings(recipe)]
    if loras := _loras(recipe):
        # Last, and without the quotes that its reader does not expect.
        settings.append(f"{lora_infotext.RESOURCES}: {lora_infotext.resources(loras)}")
    lines.append(", ".join(settings))
    text = "\n".join(lines).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Infotext:
    """The parts of an infotext, in its own words: the prompts with the tags of LoRAs, the settings
    by their names, and the value of `Civitai resources`, an empty text without one."""

    prompt: str
    negative_prompt: str
    settings: Mapping[str, str]
    resources: str


def split_infotext(text: str) -> Infotext:
    """The parts of an infotext; where its last line holds no settings, all of it is prompts."""
    body, _, last = text.rpartition("\n")
    last, resources = lora_infotext.cut_resources(last)
    found = _SETTING.finditer(last)
    settings = [(match["name"].strip(), _unquote(match["value"])) for match in found]
    if len(settings) < _FEWEST_SETTINGS:
        body, settings, resources = text, [], ""
    return Infotext(*_split_prompts(body), dict(settings), resources)


def parse_infotext(text: str) -> dict[str, Any]:
    """The recipe that an infotext tells, in our words.

    Settings that we have no word for keep their names and remain text; so do values that are not
    what their name promises.
    """
    parts = split_infotext(text)
    hashes = parts.settings.get(lora_infotext.HASHES, "")
    prompt, loras = lora_infotext.read(parts.prompt, hashes, parts.resources)
    recipe: dict[str, Any] = {"prompt": prompt, "negative_prompt": parts.negative_prompt}
    for name, value in parts.settings.items():
        recipe.update(_read_setting(name, value))
    told = {lora_infotext.RESOURCES: parts.resources, "loras": loras}
    return {**recipe, **{word: value for word, value in told.items() if value}}


def _settings(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for word, (title, _) in SETTINGS.items():
        value = recipe.get(word)
        if word == "model" and "width" in recipe:
            yield "Size", f"{recipe['width']}x{recipe['height']}"
        if word == "sampler":
            value = SAMPLER_TITLES.get(str(value), value)
        if value is not None:
            yield title, str(value)
    if hashes := lora_infotext.hashes(_loras(recipe)):
        yield lora_infotext.HASHES, hashes
    yield "Version", SOFTWARE


def _loras(recipe: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return recipe.get("loras") or ()


def _split_prompts(body: str) -> tuple[str, str]:
    if body.startswith(_NEGATIVE):
        prompt, negative = "", body.removeprefix(_NEGATIVE)
    else:
        prompt, _, negative = body.partition(f"\n{_NEGATIVE}")
    return prompt, negative.removeprefix(" ")


def _read_setting(name: str, value: str) -> dict[str, Any]:
    if name == "Size" and (size := re.fullmatch(r"(\d+)x(\d+)", value)):
        return {"width": int(size[1]), "height": int(size[2])}
    word, read = _WORDS.get(name, (name, str))
    try:
        return {word: read(value)}
    except ValueError:
        return {word: value}


def _quote(value: str) -> str:
    """JSON around a value that the grammar would misread."""
    plain = value == value.strip() and not any(sign in value for sign in ',:"\n')
    return value if plain else json.dumps(value, ensure_ascii=False)


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value
