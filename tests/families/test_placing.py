"""Models with common parts, placed in turn in different ways by the worker's cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from model_plugins.flux import FluxParams
from model_plugins.flux.pipeline import FluxPipeline
from server.generation import Task
from server.plugins.manager import PluginManager
from server.plugins.types import LoadContext, ModelCard
from server.snapshots import ModelState
from server.worker import cache as cache_module
from server.worker import residents
from server.worker.cache import ModelCache
from server.worker.offload import MODES, Decision, Mode
from server.worker.options import WorkerOptions
from tests.families.loading import load
from tests.support import Listener, weights_at

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

#: Of two kinds of offloading one order will do; the other runs with `make soak`.
PAIRS = [
    pytest.param(
        *(first, second),
        marks=[pytest.mark.slow] if "none" != second < first != "none" else [],
    )
    for first in MODES
    for second in MODES
]


class Models:
    """The models `a` and `b`, whose files are equal, in a cache that places them as told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._mode: Mode = "none"
        self.states: dict[str, str] = {}
        cards = {name: (None, ModelCard(name, name, "x")) for name in "ab"}
        plugins = SimpleNamespace(cards=cards, load_model=self._load)
        monkeypatch.setattr(residents, "decide", self._decide)
        monkeypatch.setattr(cache_module, "SHARED", ())  # the CPU as if it were a GPU
        options = WorkerOptions(device="cpu")
        self.cache = ModelCache(cast(PluginManager, plugins), self._note, options)

    def get(self, model: str, mode: Mode) -> FluxPipeline:
        self._mode = mode
        found = self.cache.get(model, weights_at(self._folder / model), (64, 64))
        assert isinstance(found, FluxPipeline)
        return found

    def draw(self, model: str, mode: Mode) -> bytes:
        return draw(self.get(model, mode)._pipe)

    def _decide(self, *_: object, **__: object) -> Decision:
        return Decision(self._mode, False, False, 0, fits=True, reason="As told.")

    def _load(self, _card: ModelCard, context: LoadContext) -> FluxPipeline:
        return FluxPipeline(load("flux-dev", context.path))

    def _note(self, state: ModelState) -> None:
        self.states[state.model] = state.state


def draw(pipe: Any) -> bytes:
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64}
    image = pipe("a cat", num_inference_steps=1, generator=generator, **size).images[0]
    data: bytes = image.tobytes()
    return data


def is_hooked(module: Any) -> bool:
    """Whether hooks bring the module's weights to the device."""
    return any(
        hasattr(part, "_hf_hook")
        or "group_offloading" in getattr(getattr(part, "_diffusers_hook", None), "hooks", ())
        for part in module.modules()
    )


@pytest.fixture(scope="module")
def folder(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of both models."""
    found = tmp_path_factory.mktemp("models")
    for name in "ab":
        shutil.copytree(tiny("flux-dev"), found / name)
    return found


@pytest.fixture(scope="module")
def plain(folder: Path) -> bytes:
    """What either model draws that was never moved."""
    return draw(load("flux-dev", folder / "a"))


@pytest.fixture
def models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    made = Models(folder, monkeypatch)
    yield made
    made.cache.clear()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_models_with_common_parts_are_placed_in_turn(
    models: Models, plain: bytes, first: Mode, second: Mode
) -> None:
    a, b = models.get("a", first), models.get("b", second)
    assert a._pipe.text_encoder_2 is b._pipe.text_encoder_2
    for _ in range(2):
        assert models.draw("a", first) == plain
        assert models.draw("b", second) == plain
    encoder = b._pipe.text_encoder_2
    models.cache.unload("a")
    assert models.states == {"a": "unloaded", "b": "loaded"}
    assert is_hooked(encoder) == (second != "none"), "closing one leaves the other's"
    assert models.draw("b", second) == plain


class Stop(BaseException):
    """As the worker's cancel."""


def test_a_cancel_leaves_nothing_on_the_device(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU nothing moves; that diffusers is told to offload all parts is what can be seen."""

    def stop(_step: int, _total: int, _latents: Any) -> None:
        raise Stop

    pipeline = models.get("a", "model")
    offloaded: list[str] = []
    original = pipeline._pipe.maybe_free_model_hooks

    def offload() -> None:
        offloaded.append("all")
        original()

    monkeypatch.setattr(pipeline._pipe, "maybe_free_model_hooks", offload)
    params = FluxParams(prompt="a cat", width=64, height=64, steps=2, seed=1)
    task = Task(job_id="j", model="a", family="flux", params=params, indices=(0,))
    with pytest.raises(Stop):
        list(pipeline.generate(task, Listener(stop)))
    assert offloaded == ["all"]
