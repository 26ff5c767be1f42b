"""Files that are no weights of a family are refused, with a sentence that says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from server import quantization
from server.errors import ModelLoadFailed
from tests.families import original_keys
from tests.families.loading import (
    ARCHITECTURES,
    FLAT,
    denoiser,
    load,
    reconfigured,
    save,
    write_gguf,
)
from tests.families.original_keys import DENOISERS

pytestmark = [
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

#: The published models that files of each look like to diffusers.
LOOKS = {
    "flux-dev": "FLUX.1-dev",
    "chroma": "Chroma",
    "z-image-turbo": "Z-Image",
    "flux-2-klein": "FLUX.2",
}


@pytest.mark.parametrize("foreign", DENOISERS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_file_of_another_family(
    name: str, foreign: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    if name == foreign:
        name = "sd-3.5" if foreign != "sd-3.5" else "flux-dev"
    theirs = DENOISERS[foreign](denoiser(tiny, foreign))
    file = save(theirs, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelLoadFailed, match="not a checkpoint of this family: it looks") as told:
        load(name, file, config=tiny(name))
    assert LOOKS.get(foreign, "something else") in told.value.message


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("foreign", ARCHITECTURES)
def test_a_file_of_another_family_by_diffusers_names(
    name: str, foreign: str, tiny: Callable[[str], Path]
) -> None:
    file = tiny(foreign) / ARCHITECTURES[foreign].part / FLAT
    if name == foreign:
        name = "sd-3.5" if foreign != "sd-3.5" else "flux-dev"
    with pytest.raises(ModelLoadFailed, match="not a checkpoint of this family: it looks"):
        load(name, file, config=tiny(name))


@pytest.mark.parametrize(
    ("name", "foreign"), [("flux-dev", "sd-3.5"), ("chroma", "flux-dev"), ("sd-3.5", "flux-dev")]
)
def test_a_folder_of_another_family(name: str, foreign: str, tiny: Callable[[str], Path]) -> None:
    kind = ARCHITECTURES[foreign].pipeline
    with pytest.raises(ModelLoadFailed, match=f"is a {kind}, not a model of this family"):
        load(name, tiny(foreign))


def test_a_lora_is_no_checkpoint(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    weights = {"transformer.x_embedder.lora_A.weight": torch.zeros(2, 2)}
    file = save(weights, tmp_path / "style.safetensors")
    with pytest.raises(ModelLoadFailed, match="it looks like a LoRA"):
        load("flux-dev", file, config=tiny("flux-dev"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("flux-2-klein", {"num_attention_heads": 3}, "`img_in.weight` is 32 × 128, not 48 × 128"),
        ("z-image-turbo", {"cap_feat_dim": 48}, "`cap_embedder.1.weight` is 32 × 32, not 32 × 48"),
        ("flux-dev", {"guidance_embeds": False}, "`guidance_in.*` is 32 × 256, not missing"),
    ],
)
def test_a_file_of_another_size(
    name: str,
    change: dict[str, Any],
    said: str,
    tiny: Callable[[str], Path],
    bare: Any,
) -> None:
    folder = bare(name)
    reconfigured(name, folder, change)
    file = save(DENOISERS[name](denoiser(tiny, name)), folder / "small.safetensors")
    with pytest.raises(ModelLoadFailed, match=f"another size.*{said}"):
        load(name, file, config=folder)


def test_a_file_that_lacks_a_tensor(tiny: Callable[[str], Path], bare: Any, tmp_path: Path) -> None:
    tensors = original_keys.z_image(denoiser(tiny, "z-image-turbo"))
    del tensors["model.diffusion_model.layers.1.attention.out.weight"]
    file = save(tensors, tmp_path / "torn.safetensors")
    with pytest.raises(ModelLoadFailed, match=r"torn\.safetensors does not fit the configuration"):
        load("z-image-turbo", file, config=bare("z-image-turbo"))


def test_a_file_with_scales_apart(tiny: Callable[[str], Path], bare: Any, tmp_path: Path) -> None:
    tensors = {**denoiser(tiny, "flux-dev"), "scaled_fp8": torch.zeros(2)}
    file = save(tensors, tmp_path / "scaled.safetensors")
    with pytest.raises(ModelLoadFailed, match="8-bit numbers and their scales apart"):
        load("flux-dev", file, config=bare("flux-dev"))


def test_no_pickle_is_opened(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    file = tmp_path / "model.ckpt"
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(ModelLoadFailed, match="pickle can run any code"):
        load("flux-dev", file, config=tiny("flux-dev"))
    with pytest.raises(ModelLoadFailed, match="pickle can run any code"):
        load("flux-dev", tiny("flux-dev"), components={"vae": file})


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
@pytest.mark.parametrize("how", ["folder", "component"])
def test_no_pickle_in_a_folder_is_opened(
    part: str, how: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny("sdxl-base"), tmp_path / "pickled")
    (file,) = (folder / part).glob("*.safetensors")
    name = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
    torch.save(load_file(file), folder / part / name)
    file.unlink()
    with pytest.raises(ModelLoadFailed, match="safetensors"):
        if how == "folder":
            load("sdxl-base", folder)
        else:
            load("sdxl-base", tiny("sdxl-base"), components={part: folder / part})


@pytest.mark.parametrize("way", ["nf4", "int8"])
def test_bitsandbytes_does_not_quantize_single_files(
    way: str, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.worker.loading.configurations", lambda *_: {})
    file = tiny("flux-dev") / "transformer" / FLAT
    with pytest.raises(ModelLoadFailed, match=f"`{way}` is for models in diffusers' layout"):
        load("flux-dev", file, config=tiny("flux-dev"), quantization=way)


@pytest.mark.parametrize("suffix", ["safetensors", "gguf"])
def test_a_file_that_is_not_what_its_name_says(
    suffix: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    file = tmp_path / f"page.{suffix}"
    file.write_text("<!doctype html><title>Log in</title>")
    with pytest.raises(ModelLoadFailed, match=f"page.{suffix} is damaged or not what"):
        load("flux-dev", file, config=tiny("flux-dev"))


def test_a_file_needs_a_folder(tiny: Callable[[str], Path]) -> None:
    with pytest.raises(ModelLoadFailed, match="Name the folder in diffusers' layout"):
        load("flux-dev", tiny("flux-dev") / "transformer" / FLAT)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="There is no file or folder"):
        load("flux-dev", tmp_path / "nothing")


# --- quantization ------------------------------------------------------------------------------


def test_a_device_that_cannot_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="bitsandbytes computes on GPUs only"):
        load("flux-dev", tmp_path, quantization="nf4")


def test_a_missing_package_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda _name: None)
    with pytest.raises(ModelLoadFailed, match=r"pip install 'darkroom\[torchao\]'"):
        load("flux-dev", tmp_path, quantization="int8-torchao")


# --- parts and GGUF ----------------------------------------------------------------------------


def test_a_text_encoder_is_no_file(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    file = save({"a": torch.zeros(1)}, tmp_path / "t5.safetensors")
    with pytest.raises(ModelLoadFailed, match="`text_encoder_2` is loaded from a folder"):
        load("flux-dev", tiny("flux-dev"), components={"text_encoder_2": file})


def test_a_part_that_there_is_not(tiny: Callable[[str], Path]) -> None:
    with pytest.raises(ModelLoadFailed, match=r"no part `unet`; it has .*text_encoder_2"):
        load("flux-dev", tiny("flux-dev"), components={"unet": tiny("flux-dev")})


def test_gguf_without_its_package(
    bare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "denoiser.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(quantization, "find_spec", lambda _name: None)
    with pytest.raises(ModelLoadFailed, match=r"pip install 'darkroom\[gguf\]'"):
        load("flux-dev", file, config=bare("flux-dev"))


def test_a_gguf_file_is_not_quantized_again(
    tiny: Callable[[str], Path], bare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(denoiser(tiny, "flux-dev"), tmp_path / "denoiser.gguf")
    monkeypatch.setattr("server.worker.loading.configurations", lambda *_: {})
    with pytest.raises(ModelLoadFailed, match="quantized already"):
        load("flux-dev", tmp_path / "denoiser.gguf", config=bare("flux-dev"), quantization="fp8")
