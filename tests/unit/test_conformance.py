"""The conformance kit: it passes what keeps its promises and names each broken one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from pydantic import Field

import darkroom
from server.conformance import Finding, assert_conforms, check
from server.errors import ModelLoadFailed
from server.plugins.discovery import Candidate
from server.plugins.manager import PluginManager, discover
from server.plugins.types import LatentFormat, ModelCard
from tests.support import COLOURS, GALLERY, PLUGINS, WATERMARK, fill_folder

Fault = Literal[
    "none", "batched", "shared_rng", "ignores_seed", "swaps_size", "swallows", "goes_on",
    "steps_wrong", "wrong_latents", "no_latents", "close_raises", "listener_changes", "same_seeds",
]  # fmt: skip


def here(card: ModelCard) -> Path:
    """Weights for families that need none."""
    return Path(card.source)


class Params(darkroom.GenerationParams):
    """Well-behaved."""


class FaultyPipeline:
    """Noise with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.shared = np.random.default_rng(0)

    def generate(self, task: Any, on_step: Any) -> Iterator[Image.Image]:
        """Yield noise."""
        made = (self.image(task, index, on_step) for index in task.indices)
        yield from list(made) if self.fault == "batched" else made

    def image(self, task: Any, index: int, on_step: Any) -> Image.Image:
        """One image."""
        seed = 0 if self.fault == "ignores_seed" else task.seed(index)
        if self.fault == "same_seeds":
            seed = task.params.seed
        rng = self.shared if self.fault == "shared_rng" else np.random.default_rng(seed)
        size = (task.params.height, task.params.width)
        latents = rng.normal(size=(3 if self.fault == "wrong_latents" else 4, *size))
        for step in range(1, task.params.steps + 1):
            self.tell(on_step, step, task.params.steps, latents)
        pixels = (np.abs(latents[:3]) * 80).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        return (
            picture.transpose(Image.Transpose.ROTATE_90) if self.fault == "swaps_size" else picture
        )

    def tell(self, on_step: Any, step: int, total: int, latents: Any) -> None:
        """Call the listener."""
        shown = None if self.fault == "no_latents" else latents
        if self.fault == "listener_changes":
            shown = _Touchy(latents)
        try:
            on_step(1 if self.fault == "steps_wrong" else step, total, shown)
        except BaseException:
            if self.fault == "goes_on":
                on_step(step, total, shown)
            if self.fault != "swallows":
                raise

    def close(self) -> None:
        """Let go."""
        if self.fault == "close_raises":
            raise RuntimeError("stuck")


class _Touchy:
    """Latents that change when they are read."""

    def __init__(self, latents: Any) -> None:
        self.latents, self.shape = latents, latents.shape

    def sum(self) -> float:
        """Read and spoil."""
        self.latents *= 0.5
        return float(self.latents.sum())


def load(card: ModelCard, context: darkroom.LoadContext) -> FaultyPipeline:
    """The pipeline with the fault that the card names."""
    return FaultyPipeline(card.id)


class Plugin:
    """Announces one family whose only card is called like its fault."""

    def __init__(self, fault: str, params: type[darkroom.GenerationParams] = Params) -> None:
        self.fault, self.params = fault, params

    @darkroom.hookimpl
    def register_model_families(self) -> list[darkroom.ModelFamily]:
        """Announce."""
        card = ModelCard(id=self.fault, title="", source=".", defaults={"steps": 2})
        channels = LatentFormat(((0.1, 0.1, 0.1),) * 4)
        load_here = "conformance_test_families:load"
        return [darkroom.ModelFamily("noise", "", self.params, load_here, (card,), channels)]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest imports test modules under names of its own; `load` needs one that is known."""
    import importlib.machinery
    import sys
    import types

    module = types.ModuleType("conformance_test_families")
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
    module.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def manager(plugin: Plugin) -> PluginManager:
    """A manager with this plugin alone."""
    made = PluginManager()
    made.add(Candidate("noise_plugin", "1", "a test", __name__, lambda: plugin))
    return made


def broken(findings: list[Finding]) -> dict[str, str]:
    """The messages of the findings that are not ok."""
    return {item.name: item.message for item in findings if not item.ok}


def test_colours_conforms_with_and_without_a_watermark(tmp_path: Path) -> None:
    assert_conforms(discover(PLUGINS), "colours", weights=here)
    marked = discover(fill_folder(tmp_path, COLOURS, WATERMARK))
    assert_conforms(marked, "colours", weights=here)
    findings = check(marked, "watermark", weights=here)
    assert [item.ok for item in findings] == [True, True]


def test_every_promise_is_a_finding() -> None:
    findings = check(manager(Plugin("none")), "noise", weights=here)
    assert broken(findings) == {}
    assert [item.name for item in findings if item.subject == "none"] == [
        "loads",
        "generates",
        "makes the size that was asked for",
        "makes its images one by one, with rising steps",
        "hands over latents as `latent_format` says",
        "can be cancelled within one step",
        "makes the same image from the same seed",
        "is not changed by listening",
        "makes image i of a job with seed + i",
        "makes a missing image alone",
        "makes other images from other seeds",
        "closes and loads again",
    ]


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    [
        ("batched", "makes its images one by one, with rising steps", "yield each at once"),
        ("steps_wrong", "makes its images one by one, with rising steps", "steps [1, 1, 1] of [3]"),
        ("shared_rng", "makes the same image from the same seed", "`task.seed(index)`"),
        ("ignores_seed", "makes other images from other seeds", "`task.seed(index)`"),
        ("same_seeds", "makes image i of a job with seed + i", "seed + 1"),
        ("swaps_size", "makes the size that was asked for", "64 x 80 pixels instead of 80 x 64"),
        ("swallows", "can be cancelled within one step", "let every BaseException pass"),
        ("goes_on", "can be cancelled within one step", "went on"),
        ("wrong_latents", "hands over latents as `latent_format` says", "4 channels"),
        ("no_latents", "hands over latents as `latent_format` says", "No latents came"),
        ("listener_changes", "is not changed by listening", "latents of each step are read"),
        ("close_raises", "closes and loads again", "RuntimeError: stuck"),
    ],
)
def test_a_broken_promise_is_named(fault: str, name: str, words: str) -> None:
    plugins = manager(Plugin(fault))
    messages = broken(check(plugins, "noise_plugin", weights=here))
    assert words in messages[name]
    with pytest.raises(AssertionError, match=f"{fault}: "):
        assert_conforms(plugins, "noise", weights=here)


class Undocumented(darkroom.GenerationParams):
    """A field without a description, and a number that is not JSON Schema's."""

    clip_skip: int = 1


class BadExamples(darkroom.GenerationParams):
    """Examples that the class refuses."""

    glow: darkroom.Integer = Field(1, ge=0, le=9, description="Glow.", examples=[5, 50])


def test_the_schema_is_checked() -> None:
    messages = broken(check(manager(Plugin("none", Undocumented)), "noise", weights=here))
    assert messages == {
        "describes every parameter": (
            "`clip_skip` has no description: give it `Field(description=…)`."
        ),
        "validates numbers as its schema says": (
            "`clip_skip`: declare it as `darkroom.Integer` or `darkroom.Number`."
        ),
    }
    messages = broken(check(manager(Plugin("none", BadExamples)), "noise", weights=here))
    assert messages.keys() == {"accepts its own examples"}
    assert "The example 50 is refused: glow" in messages["accepts its own examples"]


def test_faults_at_the_start_are_findings(tmp_path: Path) -> None:
    plugins = discover(fill_folder(tmp_path, COLOURS, GALLERY / "misspelt_hook.py"))
    messages = broken(check(plugins, "misspelt_hook", weights=here))
    assert "register_model_familys" in messages["announces itself without fault"]


def test_an_unknown_name_is_a_finding_with_the_nearest() -> None:
    (finding,) = check(discover(PLUGINS), "colors", weights=here)
    assert not finding.ok
    assert "Did you mean `colours`?" in finding.message


def test_missing_weights_and_a_faulty_load_are_findings(tmp_path: Path) -> None:
    def missing(card: ModelCard) -> Path:
        raise ModelLoadFailed(f"No weights for {card.id}: download them.")

    messages = broken(check(discover(PLUGINS), "colours", weights=missing))
    assert messages["loads"] == "No weights for colours-four-step: download them."
    plugins = discover(fill_folder(tmp_path, GALLERY / "load_returns_text.py"))
    messages = broken(check(plugins, "load_returns_text", weights=here))
    assert "instead of a Pipeline" in messages["loads"]
