"""Models whose weights torchao holds in 8 bits: what is loaded, what it draws, what it says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchao.quantization import Float8Tensor, Int8Tensor
from torchao.utils import get_model_size_in_bytes

from server.snapshots import LoadModel, ModelState, Weights
from server.worker.offload import MODES, Decision
from server.worker.placed import PlacedPipeline
from tests.families import original_keys, plain_diffusers
from tests.families.loading import ARCHITECTURES, FLAT, load, modules, save
from tests.unit.worker.processes import worker

pytestmark = [
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

WAYS = {"int8-torchao": Int8Tensor, "fp8": Float8Tensor}

#: How much they differ from the exact weights, as a share of those: 8 bits have 1/256 of a row's
#: greatest number, or three bits behind the first.
NEAR = {"int8-torchao": 0.02, "fp8": 0.05}


def _loaded(tiny: Callable[[str], Path], name: str, layout: str, way: str, dtype: str) -> Any:
    folder = tiny(name)
    if layout == "folder":
        return load(name, folder, quantization=way, dtype=dtype)
    file = folder / ARCHITECTURES[name].part / FLAT
    return load(name, file, config=folder, quantization=way, dtype=dtype)


def _picture(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64, "num_inference_steps": 2, "guidance_scale": 0.0}
    return pipe(prompt="a fox", **size, generator=generator, output_type="np").images[0]


def _matrices(module: nn.Module) -> dict[str, Any]:
    """The weights that are multiplied with, but for the words' that a text encoder has no use
    for."""
    linear = {name: m for name, m in module.named_modules() if isinstance(m, nn.Linear)}
    return {name: layer.weight for name, layer in linear.items() if name != "lm_head"}


@pytest.fixture(scope="module")
def exact(tiny: Callable[[str], Path]) -> Callable[[str, str], tuple[Any, Any]]:
    """The model with all bits, and its picture."""

    @cache
    def of(name: str, dtype: str) -> tuple[Any, Any]:
        pipe = load(name, tiny(name), dtype=dtype)
        return pipe, _picture(pipe)

    return of


#: All in what GPUs compute in; in a CPU's float32 one, and the others with `make soak`.
TYPED = [
    pytest.param(
        name,
        dtype,
        marks=[pytest.mark.slow] if dtype == "float32" and name != "flux-dev" else [],
    )
    for name in ARCHITECTURES
    for dtype in ("float32", "bfloat16")
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "dtype"), TYPED)
def test_denoiser_and_large_encoders_are_quantized_and_draw_nearly_the_same(
    name: str, way: str, dtype: str, tiny: Callable[[str], Path], exact: Any
) -> None:
    parts = {ARCHITECTURES[name].part, *ARCHITECTURES[name].large_encoders}
    plain, wanted = exact(name, dtype)
    pictures = []
    for layout in ("folder", "file"):
        pipe = _loaded(tiny, name, layout, way, dtype)
        for part, module in modules(pipe).items():
            kind = WAYS[way] if part in parts else nn.Parameter
            theirs = _matrices(plain.components[part])
            for at, weight in _matrices(module).items():
                assert type(weight) is kind, (part, at)
                assert _distance(weight, theirs[at]) < NEAR[way], (part, at)
        pictures.append(_picture(pipe))
    folder, file = pictures
    assert folder.tobytes() == file.tobytes()
    assert 0 < np.abs(folder - wanted).mean() < 0.05 < folder.std()


def _distance(weight: Any, exact: torch.Tensor) -> float:
    values = weight.dequantize() if hasattr(weight, "qdata") else weight
    return float(((values - exact).norm() / exact.norm()).detach())


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_checkpoint_draws_what_its_folder_draws(
    way: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    tensors = original_keys.sdxl(plain_diffusers.load(tiny("sdxl-base")))
    file = save(tensors, tmp_path / "checkpoint.safetensors")
    texts = shutil.ignore_patterns("*.safetensors")
    config = shutil.copytree(tiny("sdxl-base"), tmp_path / "texts", ignore=texts)
    pipe = load("sdxl-base", file, config=config, quantization=way)
    assert {type(weight) for weight in _matrices(pipe.unet).values()} == {WAYS[way]}
    picture = _picture(_loaded(tiny, "sdxl-base", "folder", way, "float32"))
    # Converted weights lie otherwise in memory, which moves last bits.
    assert np.abs(_picture(pipe) - picture).max() < 1e-5


@pytest.mark.parametrize("way", WAYS)
def test_a_model_moves_between_all_modes_and_back_to_ram(
    way: str, tiny: Callable[[str], Path]
) -> None:
    pipe = _loaded(tiny, "flux-dev", "folder", way, "bfloat16")
    drawn = _picture(pipe).tobytes()
    movable = PlacedPipeline(pipe)
    for mode in (*MODES, *reversed(MODES)):
        movable.place(Decision(mode, False, False, 0, fits=True, reason=""), "cpu")
        assert _picture(pipe).tobytes() == drawn, mode
        movable.park()
        kinds = {type(weight) for weight in _matrices(pipe.transformer).values()}
        assert kinds == {WAYS[way]}, mode


@pytest.mark.parametrize("way", WAYS)
def test_the_bytes_of_its_parts_are_those_that_are_stored(
    way: str, tiny: Callable[[str], Path]
) -> None:
    pipe = _loaded(tiny, "flux-dev", "folder", way, "bfloat16")
    told = PlacedPipeline(pipe).parts()[id(pipe.transformer)]
    assert told == get_model_size_in_bytes(pipe.transformer)


def test_the_workers_log_has_no_lines_of_the_libraries(tiny: Callable[[str], Path]) -> None:
    folder = tiny("flux-dev")
    paths = {"int8-torchao": folder, "fp8": folder / "transformer" / FLAT}
    entries = [
        {"id": way, "like": "flux-dev", "source": str(path), "quantization": way}
        for way, path in paths.items()
    ]
    states: list[str] = []
    with worker(models=entries) as process:
        for way, path in paths.items():
            weights = Weights(path=str(path), components={}, config=str(folder))
            process.send(LoadModel(way, weights))
            states.append("")
            while states[-1] not in ("loaded", "failed"):
                states += [m.state for m in process.until(ModelState) if isinstance(m, ModelState)]
        process.process.terminate()
        process.stdin.close()
        log = process.stderr.read().decode().splitlines()
    assert states == ["", "loading", "loaded"] * 2
    assert [line for line in log if not line.startswith("INFO server.")] == []
