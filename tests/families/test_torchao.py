"""Models whose weights torchao holds in 8 bits: what is loaded, what it draws, what it says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchao.quantization import Float8Tensor, Int8Tensor

from model_plugins.flux.pipeline import FluxDiffusersPipeline
from server.model_entry import ModelEntry
from server.snapshots import LoadModel, ModelState
from server.worker.offload import MODES, Decision
from tests.families import original_keys, plain_diffusers
from tests.families.loading import ARCHITECTURES, FLAT, load, modules, save
from tests.support import weights_at
from tests.unit.worker.processes import worker

pytestmark = [
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

WAYS = {"int8-torchao": Int8Tensor, "fp8": Float8Tensor}

#: How much the image of a small model differs from the exact one's, in the mean.
NEAR = 0.05


def _loaded(tiny: Callable[[str], Path], name: str, layout: str, way: str, dtype: str) -> Any:
    folder = tiny(name)
    if layout == "folder":
        return load(name, folder, quantization=way, dtype=dtype)
    file = folder / ARCHITECTURES[name].part / FLAT
    return load(name, file, config=folder, quantization=way, dtype=dtype)


def _picture(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64, "num_inference_steps": 2}
    return pipe(prompt="a fox", **size, generator=generator, output_type="np").images[0]


def _linear_weights(module: nn.Module) -> Iterator[nn.Parameter]:
    return (m.weight for m in module.modules() if isinstance(m, nn.Linear))


@pytest.fixture(scope="module")
def exact(tiny: Callable[[str], Path]) -> Callable[[str, str], Any]:
    """The picture of all bits."""
    return cache(lambda name, dtype: _picture(load(name, tiny(name), dtype=dtype)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_denoiser_and_large_encoders_are_quantized_and_draw_nearly_the_same(
    name: str, way: str, dtype: str, tiny: Callable[[str], Path], exact: Any
) -> None:
    parts = {ARCHITECTURES[name].part, *ARCHITECTURES[name].large_encoders}
    pictures = []
    for layout in ("folder", "file"):
        pipe = _loaded(tiny, name, layout, way, dtype)
        for part, module in modules(pipe).items():
            kinds = {type(weight) for weight in _linear_weights(module)}
            assert kinds == {WAYS[way] if part in parts else nn.Parameter}, part
        pictures.append(_picture(pipe))
    folder, file = pictures
    assert folder.tobytes() == file.tobytes()
    assert 0 < np.abs(folder - exact(name, dtype)).mean() < NEAR < folder.std()


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_checkpoint_draws_what_its_folder_draws(
    way: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    tensors = original_keys.sdxl(plain_diffusers.load(tiny("sdxl-base")))
    file = save(tensors, tmp_path / "checkpoint.safetensors")
    texts = shutil.ignore_patterns("*.safetensors")
    config = shutil.copytree(tiny("sdxl-base"), tmp_path / "texts", ignore=texts)
    pipe = load("sdxl-base", file, config=config, quantization=way)
    assert {type(weight) for weight in _linear_weights(pipe.unet)} == {WAYS[way]}
    whole = _loaded(tiny, "sdxl-base", "folder", way, "float32")
    assert _picture(pipe).tobytes() == _picture(whole).tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_a_model_moves_between_all_modes_and_back_to_ram(
    way: str, tiny: Callable[[str], Path]
) -> None:
    pipe = _loaded(tiny, "flux-dev", "folder", way, "bfloat16")
    drawn = _picture(pipe).tobytes()
    movable = FluxDiffusersPipeline(pipe)
    for mode in (*MODES, *reversed(MODES)):
        movable.place(Decision(mode, False, False, 0, fits=True, reason=""), "cpu")
        assert _picture(pipe).tobytes() == drawn, mode
        movable.park()
        kinds = {type(weight) for weight in _linear_weights(pipe.transformer)}
        assert kinds == {WAYS[way]}, mode


@pytest.mark.parametrize("way", WAYS)
def test_the_bytes_of_its_parts_are_those_that_are_stored(
    way: str, tiny: Callable[[str], Path]
) -> None:
    pipe = _loaded(tiny, "flux-dev", "folder", way, "bfloat16")
    denoiser = pipe.transformer
    counts = {True: 0, False: 0}
    for parameter in denoiser.parameters():
        counts[isinstance(parameter, WAYS[way])] += parameter.numel()
    scales = sum(weight.scale.nbytes for weight in _linear_weights(denoiser))  # type: ignore[attr-defined]
    told = FluxDiffusersPipeline(pipe).parts()[id(denoiser)]
    assert told == counts[True] + scales + 2 * counts[False]


@pytest.mark.parametrize("way", WAYS)
def test_the_workers_log_has_no_lines_of_the_libraries(
    way: str, tiny: Callable[[str], Path]
) -> None:
    entry = ModelEntry(id="flux-dev", quantization=way)
    with worker(models=(entry,)) as process:
        process.send(LoadModel("flux-dev", weights_at(tiny("flux-dev"))))
        states: list[str] = []
        while states[-1:] not in (["loaded"], ["failed"]):
            states += [m.state for m in process.until(ModelState) if isinstance(m, ModelState)]
        process.process.terminate()
        process.stdin.close()
        log = process.stderr.read().decode().splitlines()
    assert states == ["loading", "loaded"]
    assert [line for line in log if not line.startswith("INFO server.")] == []
