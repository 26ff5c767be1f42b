"""The small pipelines stand in for the real ones: same geometry, and whatever is asked matters."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.families.build import MODULES, NAMES, STAND_INS, build, main, write_config

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

Pixels = npt.NDArray[np.uint8]
Make = Callable[..., Pixels]

WIDTH, HEIGHT = 96, 64
#: Mean difference of two images, of 255 levels, that nobody could take for rounding.
VISIBLE = 2.0

#: Class, guidance as its card advises, channels, scaling and shift of its latents.
EXPECTED = {
    "sdxl-base": ("StableDiffusionXLPipeline", 5.0, 4, 0.13025, None),
    "flux-dev": ("FluxPipeline", 3.5, 16, 0.3611, 0.1159),
    "flux-schnell": ("FluxPipeline", 0.0, 16, 0.3611, 0.1159),
    "chroma": ("ChromaPipeline", 4.0, 16, 0.3611, 0.1159),
    "z-image-turbo": ("ZImagePipeline", 0.0, 16, 0.3611, 0.1159),
    "flux-2-klein": ("Flux2KleinPipeline", 1.0, 32, None, None),
    "sd-3.5": ("StableDiffusion3Pipeline", 3.5, 16, 1.5305, 0.0609),
}

#: Changes that every family shows.
EVERYWHERE: tuple[dict[str, Any], ...] = (
    {"prompt": "a red dog"},
    {"prompt": "mountains at night, oil painting"},
    {"seed": 2},
    {"num_inference_steps": 5},
    {"karras": True},
)
STRONGER = {"guidance_scale": 8.0}
GUIDED = ("sdxl-base", "flux-dev", "chroma", "z-image-turbo", "sd-3.5")
CHANGES = [(name, change) for name in NAMES for change in EVERYWHERE]
CHANGES += [(name, STRONGER) for name in GUIDED]

#: What switches a negative prompt on.
NEGATIVE: dict[str, dict[str, Any]] = {
    "sdxl-base": {},
    "flux-dev": {"true_cfg_scale": 4.0},
    "chroma": {},
    "z-image-turbo": {"guidance_scale": 4.0},
    "sd-3.5": {},
}


@pytest.fixture(scope="module")
def load(tiny: Callable[[str], Path]) -> Callable[[str], Any]:
    """The pipeline of a name, loaded by its published class."""
    import diffusers

    @cache
    def pipeline(name: str) -> Any:
        pipeline_class = getattr(diffusers, EXPECTED[name][0])
        pipe = pipeline_class.from_pretrained(tiny(name), local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return pipeline


@pytest.fixture(scope="module")
def make(load: Callable[[str], Any]) -> Make:
    """An image of a name, with changes to the usual call."""
    import torch

    def image(name: str, *, seed: int = 1, karras: bool = False, **changes: Any) -> Pixels:
        pipe = load(name)
        usual = pipe.scheduler
        pipe.scheduler = type(usual).from_config(usual.config, use_karras_sigmas=karras)
        arguments = {
            "prompt": "a red cat",
            "width": WIDTH,
            "height": HEIGHT,
            "num_inference_steps": 4,
            "guidance_scale": EXPECTED[name][1],
            "generator": torch.Generator().manual_seed(seed),
        }
        try:
            return np.asarray(pipe(**{**arguments, **changes}).images[0])
        finally:
            pipe.scheduler = usual

    return image


@pytest.fixture(scope="module")
def usual(make: Make) -> Make:
    """The image of a name with nothing changed."""
    return cache(make)


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_latents_are_the_familys(name: str, load: Callable[[str], Any]) -> None:
    pipe = load(name)
    config = pipe.vae.config

    assert pipe.vae_scale_factor == 8
    assert (config.latent_channels, config.get("scaling_factor"), config.get("shift_factor")) == (
        EXPECTED[name][2:]
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_size_asked_for_and_a_content(name: str, usual: Make) -> None:
    image = usual(name)

    assert image.shape == (HEIGHT, WIDTH, 3)
    assert 20 < image.std() < 100
    assert 64 < image.mean() < 192


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=str)
def test_what_is_asked_is_visible(
    name: str, change: dict[str, Any], make: Make, usual: Make
) -> None:
    assert difference(make(name, **change), usual(name)) > VISIBLE


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_negative_prompt_is_visible(name: str, make: Make) -> None:
    ugly, empty = (make(name, **NEGATIVE[name], negative_prompt=text) for text in ("ugly", ""))

    assert difference(ugly, empty) > VISIBLE


@pytest.mark.parametrize("name", ["flux-schnell", "flux-2-klein"])
def test_distilled_models_have_no_guidance(name: str, make: Make, usual: Make) -> None:
    assert np.array_equal(make(name, **STRONGER), usual(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_build_has_the_same_bytes(
    name: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    build(name, tmp_path)

    assert files(tmp_path) == files(tiny(name))


def test_the_configuration_names_every_card_with_its_stand_in(tmp_path: Path) -> None:
    models = tomllib.loads(write_config(tmp_path).read_text(encoding="utf-8"))["models"]

    assert {model["id"]: model["source"] for model in models} == STAND_INS
    assert set(STAND_INS.values()) == set(NAMES)


def test_the_command_builds_what_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path), "chroma"])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["chroma", "darkroom.toml"]
    assert 'source = "chroma"' in (tmp_path / "darkroom.toml").read_text(encoding="utf-8")
    assert 'source = "sd-3.5"' not in (tmp_path / "darkroom.toml").read_text(encoding="utf-8")
    assert str(tmp_path / "chroma") in capsys.readouterr().out


def test_an_unknown_name_is_refused_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "chorma"])

    complaint = capsys.readouterr().err
    assert "chorma" in complaint
    assert all(name in complaint for name in MODULES)


def test_help_does_not_wait_for_torch() -> None:
    program = "import sys, tests.families.build; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
