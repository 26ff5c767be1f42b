"""Samplers: AUTOMATIC1111's names for them, and which of a model's is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from server.errors import RequestError
from server.pnginfo import SAMPLER_TITLES
from server.wording import shortened

#: The web UI's samplers (`modules/sd_samplers_*.py` of version 1.10), in its order.
NAMES = (
    "DPM++ 2M",
    "DPM++ SDE",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Heun",
    "DPM++ 2S a",
    "DPM++ 3M SDE",
    "Euler a",
    "Euler",
    "LMS",
    "Heun",
    "DPM2",
    "DPM2 a",
    "DPM fast",
    "DPM adaptive",
    "Restart",
    "DDIM",
    "DDIM CFG++",
    "PLMS",
    "UniPC",
    "LCM",
)

#: Its noise levels, which before version 1.9 stood behind the sampler's name.
SCHEDULES = (
    "Karras",
    "Exponential",
    "Polyexponential",
    "Uniform",
    "SGM Uniform",
    "KL Optimal",
    "Align Your Steps",
    "Simple",
    "Normal",
    "DDIM",
    "Beta",
)

#: What clients send where nothing was chosen.
UNCHOSEN = frozenset({"", "none", "na", "default", "automatic"})


def plain(name: str) -> str:
    """A name without what people write differently."""
    return "".join(sign for sign in name.lower() if sign.isalnum() or sign == "+")


def offered(described: Mapping[str, Any] | None) -> list[str]:
    """The samplers of a model, in our words, from its schema's `sampler`."""
    if described is None:
        return []
    return [described["const"]] if "const" in described else list(described.get("enum", ()))


def title(sampler: str) -> str:
    """What the web UI calls one of our samplers."""
    return SAMPLER_TITLES.get(sampler, sampler)


def wanted(name: str, schedule: str, own: Iterable[str]) -> str | None:
    """Which of a model's own samplers a request means, or the nearest word for one that it lacks.

    Args:
        name: as the client wrote it, with or without a schedule behind it.
        schedule: as the client wrote it.
        own: the model's samplers, in our words.

    Returns:
        One of `own`, else what was asked for; None where nothing was.

    Raises:
        RequestError: the web UI knows no such sampler, and no model here has it.
    """
    asked = plain(name)
    if asked in UNCHOSEN:
        return None
    base, behind = _parted(asked)
    if asked not in _KNOWN and base not in _KNOWN:
        raise RequestError(
            f"Sampler not found: {shortened(name)!r}. `/sdapi/v1/samplers` lists those of the "
            "models here."
        )
    by_name = {plain(word): word for word in own}
    written = behind if plain(schedule) in UNCHOSEN else plain(schedule)
    for candidate in (base + written, asked, base):
        if candidate in by_name:
            return by_name[candidate]
    return name


def _parted(name: str) -> tuple[str, str]:
    """A plain name, and the schedule behind it or an empty text."""
    # The longest first: some end like others.
    for schedule in sorted(map(plain, SCHEDULES), key=len, reverse=True):
        if name.endswith(schedule) and name != schedule:
            return name.removesuffix(schedule), schedule
    return name, ""


_OURS = {plain(word) for pair in SAMPLER_TITLES.items() for word in pair}
_KNOWN = {*map(plain, NAMES), *_OURS}
