"""Other people's names for weights: AIR URNs, and addresses of the sites' pages and files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

from server.source_errors import UnsafeFile
from server.sources.kinds import Civitai, Hub, Remote, Url, choices

#: `urn:air:ECOSYSTEM:TYPE:SOURCE:ID`; the first two words may be left out.
_AIR = re.compile(r"(?:urn:)?(?:air:)?[\w-]+:[\w-]+:(?P<source>[\w-]+):(?P<id>.+)", re.IGNORECASE)
_AIR_OF_CIVITAI = re.compile(r"(?P<name>[0-9]+(?:@[0-9]+)?(?:\+[0-9]+)?)(?:\.(?P<format>\w+))?")

#: What AIR calls a format, and civitai's word for the files that have it.
_FORMATS = {"safetensor": "SafeTensor", "safetensors": "SafeTensor", "gguf": "GGUF"}
_PICKLED = {"ckpt", "pt", "pth", "bin", "pickletensor", "pickle"}

_CIVITAI_HOSTS = {f"{www}civitai.{top}" for www in ("", "www.") for top in ("com", "red", "green")}
_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}


def air(text: str) -> Remote | None:
    """`[urn:][air:]ECOSYSTEM:TYPE:SOURCE:ID[@VERSION][+FILE][.FORMAT]`, or None.

    Sources are civitai and huggingface. Ecosystem and type are not kept: what a file is, the
    file itself tells.

    Raises:
        UnsafeFile: the format is a pickle's.
    """
    found = _AIR.fullmatch(text)
    if found is None:
        return None
    source = found["source"].lower()
    if source == "huggingface":
        return Hub.read(found["id"])
    return _air_of_civitai(found["id"]) if source == "civitai" else None


def _air_of_civitai(name: str) -> Civitai | None:
    found = _AIR_OF_CIVITAI.fullmatch(name)
    if found is None:
        return None
    kind = (found["format"] or "").lower()
    if kind in _PICKLED:
        raise UnsafeFile(f"`.{kind}` is a pickle, which is never used. Ask for `.safetensors`.")
    if kind and kind not in _FORMATS:
        return None
    return Civitai.read(found["name"] + (f"?format={_FORMATS[kind]}" if kind else ""))


def address(text: str) -> Remote | None:
    """An http(s) address: a page or file of the hub or of civitai, or any other file; or None."""
    parts = _split(text)
    if parts is None:
        return None
    segments = [unquote(part) for part in parts.path.split("/") if part]
    if parts.hostname in _CIVITAI_HOSTS:
        return _of_civitai(segments, parts.query)
    if parts.hostname in _HUB_HOSTS:
        return _of_hub(segments)
    return Url(parts._replace(netloc=parts.netloc.lower(), fragment="").geturl())


def _split(text: str) -> SplitResult | None:
    """The parts of an http(s) address without a password in it: that would end up in logs."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        return parts if usable and parts.port != 0 else None
    except ValueError:  # a malformed port or IPv6 address
        return None


def _of_civitai(segments: Sequence[str], query: str) -> Civitai | None:
    match segments:
        case ["models", model, *_]:
            version = parse_qs(query).get("modelVersionId", [""])[0]
            return Civitai.read(f"{model}@{version}" if version else model)
        case ["api", "download", "models", version]:
            found = Civitai.read(f"@{version}")
            return found and replace(found, filters=choices(parse_qsl(query)))
        case ["model-versions", version] | ["api", "v1", "model-versions", version]:
            return Civitai.read(f"@{version}")
        case ["api", "v1", "models", model]:
            return Civitai.read(model)
    return None


def _of_hub(segments: Sequence[str]) -> Hub | None:
    match segments:
        case [org, name]:
            return Hub.read(f"{org}/{name}")
        case [org, name, "tree" | "resolve" | "blob" | "raw", revision, *path]:
            return Hub.read("/".join((org, name, *path)) + f"@{revision}")
    return None
