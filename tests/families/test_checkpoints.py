"""Checkpoints other than the published ones, and prompts beyond diffusers' own, end to end."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.families.jobs import PROMPT, check, made, submit
from tests.servers import ServerProcess

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

WORDS = {"prompt": PROMPT, "width": 96, "height": 64, "seed": 5, "steps": 4}


@pytest.fixture(scope="module")
def folders(tiny: Callable[[str], Path], checkpoints: dict[str, Path]) -> dict[str, Path]:
    return {"sdxl-base": tiny("sdxl-base"), **checkpoints}


@pytest.fixture(scope="module")
def server(tiny_server: ServerProcess) -> ServerProcess:
    return tiny_server


# --- samplers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["euler", "dpm++_2m", "uni_pc", "heun_karras"])
@pytest.mark.parametrize("model", ["karras", "third-order"])
def test_a_sampler_is_what_its_name_says(
    server: ServerProcess, folders: dict[str, Path], model: str, sampler: str
) -> None:
    from tests.families import plain_diffusers

    words = {**WORDS, "sampler": sampler}
    (ours,) = made(server, {"model": model, **words})
    (published,) = made(server, {"model": "sdxl-base", **words})
    check(ours, published)
    pipe = plain_diffusers.load(folders[model])
    size: Any = {"width": 96, "height": 64, "num_inference_steps": 4, "guidance_scale": 7.0}
    check(ours, plain_diffusers.image(pipe, sampler, 5, prompt=PROMPT, **size))


def test_the_scheduler_of_another_kind_of_model_is_told(server: ServerProcess) -> None:
    shown = server.wait(submit(server, {"model": "flow", **WORDS}))
    assert shown["status"] == "failed"
    assert shown["error"]["code"] == "model_load_failed"
    assert "FlowMatchEulerDiscreteScheduler" in shown["error"]["message"]


# --- previews ------------------------------------------------------------------------------------


def test_a_model_of_other_latents_has_previews_in_greys(server: ServerProcess) -> None:
    job = submit(server, {"model": "odd", **WORDS, "steps": 20})
    shown = list(server.snapshots(job))
    assert shown[-1]["status"] == "completed", shown[-1]["error"]
    previews = {snapshot["preview"] for snapshot in shown} - {None}
    assert previews
    for preview in previews:
        data = base64.b64decode(preview.partition(",")[2])
        image = Image.open(BytesIO(data), formats=("JPEG",)).convert("RGB")
        assert image.width / image.height == pytest.approx(96 / 64, rel=0.02)
        pixels = np.asarray(image).astype(int)
        assert np.ptp(pixels, axis=2).max() <= 3
        assert pixels.std() > 5
    assert "No more previews" not in server.log


# --- prompts -------------------------------------------------------------------------------------

LONG = " ".join("abcdefghijklmnopqrstuvwxyz"[number % 26] for number in range(160))
EMPTY: list[tuple[str, float]] = []


#: The same in chunks of 75 letters, which are a token each.
IN_CHUNKS = [[(LONG[2 * start : 2 * start + 150], 1.0)] for start in (0, 75, 150)]


@dataclass(frozen=True)
class Case:
    """Two prompts, and what is meant by them: as many chunks of weighted texts each."""

    prompt: str
    negative_prompt: str
    chunks: list[list[tuple[str, float]]]
    negative_chunks: list[list[tuple[str, float]]]


CASES = {
    "weights": Case(
        "a (red:1.9) ball",
        "[[blue]] sky",
        [[("a", 1.0), ("red", 1.9), ("ball", 1.0)]],
        # Weights have six digits after the point.
        [[("blue", round(1 / 1.1**2, 6)), ("sky", 1.0)]],
    ),
    "BREAK": Case(
        "a ((big) red:1.5) ball BREAK on (grass:0.3)",
        "x",
        [
            [("a", 1.0), ("big", 1.65), ("red", 1.5), ("ball", 1.0)],
            [("on", 1.0), ("grass", 0.3)],
        ],
        [[("x", 1.0)], EMPTY],
    ),
    "long": Case(LONG, "x", IN_CHUNKS, [[("x", 1.0)], EMPTY, EMPTY]),
    "long negative": Case(r"\(a\)", LONG, [[("(a)", 1.0)], EMPTY, EMPTY], IN_CHUNKS),
}


@pytest.mark.parametrize("name", CASES)
def test_prompts_beyond_diffusers(
    server: ServerProcess, folders: dict[str, Path], name: str
) -> None:
    from tests.families import plain_diffusers

    case = CASES[name]
    own = {"prompt": case.prompt, "negative_prompt": case.negative_prompt, "cfg_scale": 7.5}
    (ours,) = made(server, {"model": "sdxl-base", **WORDS, **own, "sampler": "euler"})
    pipe = plain_diffusers.load(folders["sdxl-base"])

    def theirs(chunks: Any, negative: Any) -> Image.Image:
        size: Any = {"width": 96, "height": 64, "num_inference_steps": 4, "guidance_scale": 7.5}
        embedded = plain_diffusers.embedded(pipe, chunks, negative)
        return plain_diffusers.image(pipe, "euler", 5, **embedded, **size)

    check(ours, theirs(case.chunks, case.negative_chunks))
    first, *_ = [[(text, 1.0) for text, _ in chunk] for chunk in case.chunks]
    assert ours.tobytes() != theirs([first], case.negative_chunks[:1]).tobytes()
