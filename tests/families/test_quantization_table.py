"""The table of quantizations in docs/how-to/memory.md is true: what it says works is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from model_plugins.flux.lora import NAMES
from server.plugins.types import LoraFile
from server.quantization import PACKAGES, refusal
from server.worker.lora_stack import LoraStack
from server.worker.offload import MODES, Decision
from server.worker.placement import apply, undo
from tests.docs.pages import DOCS
from tests.families import lora_files
from tests.families.loading import FLAT, denoiser, load, write_gguf

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

ROW = re.compile(r"^\| `([\w-]+)` \| (with|without) \| (.*) \|$", re.MULTILINE)


class Cell(NamedTuple):
    """One combination and what the page says of it."""

    way: str
    lora: bool
    mode: Any
    said: str


def cells() -> Iterator[Cell]:
    page = (DOCS / "how-to" / "memory.md").read_text("utf-8")
    for way, lora, row in ROW.findall(page):
        for mode, said in zip(MODES, row.split(" | "), strict=True):
            yield Cell(way, lora == "with", mode, said)


CELLS = list(cells())
WORKING = [
    (layout, cell)
    for cell in CELLS
    if cell.said == "works"
    for layout in (("file",) if cell.way == "gguf" else ("folder", "file"))
]


def test_every_combination_has_a_cell() -> None:
    combinations = [
        (way, lora, mode) for way in PACKAGES for lora in (False, True) for mode in MODES
    ]
    assert [(cell.way, cell.lora, cell.mode) for cell in CELLS] == combinations


def test_what_is_impossible_and_nothing_else_has_its_reason() -> None:
    for cell in CELLS:
        reason = refusal(cell.way, offload=cell.mode, device="cuda")
        if reason is None:
            assert cell.said in ("works", "untested")
        else:
            assert cell.said.startswith("no: ")
            assert cell.said.removeprefix("no: ") in reason


@pytest.fixture(scope="module")
def pipeline(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Any]:
    """A small pipeline whose weights are held in some way, fresh from a folder or a file."""
    folder = tiny("flux-dev")
    gguf = tmp_path_factory.mktemp("gguf") / "denoiser.gguf"
    write_gguf(denoiser(tiny, "flux-dev"), gguf)

    def of(layout: str, way: str) -> Any:
        if way == "gguf":
            return load("flux-dev", gguf, config=folder)
        # The type of GPUs; a folder and a file draw the same in every type, see `test_torchao`.
        how = {"quantization": way, "dtype": "bfloat16"}
        if layout == "folder":
            return load("flux-dev", folder, **how)
        return load("flux-dev", folder / "transformer" / FLAT, config=folder, **how)

    return of


@pytest.fixture(scope="module")
def style(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> LoraFile:
    """A LoRA for every linear layer of the small denoiser."""
    shapes = {
        key.removesuffix(".weight"): tuple(tensor.shape)
        for key, tensor in denoiser(tiny, "flux-dev").items()
        if key.endswith(".weight") and tensor.ndim == 2
    }
    path = tmp_path_factory.mktemp("lora") / "style.safetensors"
    return LoraFile("style", lora_files.write(path, shapes, gain=0.3), 1.0)


@pytest.fixture(scope="module")
def drawn(
    pipeline: Callable[[str, str], Any], style: LoraFile
) -> Callable[[str, str, bool], bytes]:
    """The image of a pipeline that was never moved."""

    @cache
    def of(layout: str, way: str, lora: bool) -> bytes:
        return _draw(pipeline(layout, way), [style] if lora else [])

    return of


def _draw(pipe: Any, loras: Sequence[LoraFile]) -> bytes:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64, "num_inference_steps": 2}
    stack = LoraStack(pipe, NAMES)
    stack.apply(loras, 0)
    image = pipe("a fox", **size, generator=generator, output_type="np").images[0]
    stack.remove()
    return bytes(np.asarray(image * 255, np.uint8).tobytes())


@pytest.mark.parametrize(("layout", "cell"), WORKING)
def test_what_is_said_to_work_gives_the_same_image(
    layout: str,
    cell: Cell,
    pipeline: Callable[[str, str], Any],
    drawn: Callable[[str, str, bool], bytes],
    style: LoraFile,
) -> None:
    pipe = pipeline(layout, cell.way)
    loras = [style] if cell.lora else []
    assert drawn(layout, cell.way, True) != drawn(layout, cell.way, False)
    unmoved = drawn(layout, cell.way, cell.lora)
    decision = Decision(cell.mode, False, False, 0, fits=True, reason="")
    apply(pipe, decision, "cpu")
    assert _draw(pipe, loras) == unmoved
    assert _draw(pipe, loras) == unmoved, "again"
    undo(pipe)
    assert _draw(pipe.to("cpu"), loras) == unmoved, "afterwards"
