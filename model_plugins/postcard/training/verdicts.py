"""What is right about one picture, given what was asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .canvas import BLOCK
from .drawing import Picture
from .judge_flat import Pixels, Sight, look
from .judge_landscape import Judge
from .judge_pairs import look_at_pair

Found = Iterator[tuple[str, bool]]


def judge_flat(picture: Picture, wanted: dict[str, Any]) -> Found:
    """One thing: held-out combinations count in all, and apart too."""
    seen = look(picture)
    yield "ground colour", seen.ground == wanted["ground"]
    for name in ("colour", "place", "shape", "size"):
        right = getattr(seen, name) == wanted[name]
        yield f"object {name}", right
        if wanted["held_out"]:
            yield f"object {name}, held out", right


def judge_pair(picture: Picture, wanted: dict[str, Any]) -> Found:
    """Two things; right are those of the right colour and shape in the right place."""
    seen = look_at_pair(picture)
    yield "pair ground", seen[0].ground == wanted["ground"]
    right = [_is_right(*both) for both in zip(seen, wanted["things"], strict=True)]
    yield "both of a pair right", all(right)


def _is_right(seen: Sight, wanted: dict[str, str]) -> bool:
    return all(getattr(seen, name) == wanted[name] for name in ("colour", "shape", "place"))


def judge_landscape(judge: Judge, picture: Picture, wanted: dict[str, Any]) -> Found:
    """Terrain, time, and what else was named."""
    seen = judge.look(picture)
    yield "terrain", seen.terrain == wanted["terrain"]
    yield "time of day", seen.time == wanted["time"]
    for name in wanted["extras"]:
        yield "named extra present", name in seen.extras


def judge_free(judge: Judge, picture: Picture, wanted: dict[str, Any]) -> Found:
    """Whether all is right that a prompt in words of its own says."""
    if "things" in wanted:
        yield "freely worded, pair: all of it right", all(v for _, v in judge_pair(picture, wanted))
        return
    kind = "landscape" if "terrain" in wanted else "flat"
    seen = judge.look(picture) if kind == "landscape" else look(picture)
    said = [name for name in wanted if name not in ("prompt", "extras")]
    right = all(getattr(seen, name) == wanted[name] for name in said)
    named = set(wanted.get("extras", ())) <= set(getattr(seen, "extras", ()))
    yield f"freely worded, {kind}: all of it right", right and named


def judge_removal(judge: Judge, without: Picture, name: str) -> Found:
    """Whether a picture lost the extra that the same picture showed before."""
    yield "negative prompt removes", name not in judge.look(without).extras


def likeness(first: Picture, second: Picture) -> float:
    """How far two pictures agree on where things are: correlation (-1..1) of blocks of 8 pixels."""
    one, other = _blocks(first), _blocks(second)
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def _blocks(picture: Picture) -> Pixels:
    """Means of blocks less the mean of each channel, so that layout counts and not tone."""
    height, width, channels = picture.shape
    means: Pixels = picture.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels).mean(
        (1, 3)
    )
    centred: Pixels = means - means.mean((0, 1))
    return centred
