"""A LoRA file is recognised by the one family it is for, at the published models' real widths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from server.lora_tensors import Shape
from server.plugins.manager import discover
from server.plugins.types import LoraSupport
from server.safetensors_header import read
from tests.families.lora_files import LAYOUTS, NETWORKS, modules_of, original_modules, write
from tests.families.published_parts import MODELS, denoiser, stand_in

#: Weights of modules by name.
Modules = Mapping[str, Shape]

POSTCARD = Path(__file__).parents[2] / "model_plugins" / "postcard" / "loras"

#: Files of any layout are of so few modules: real widths make them large.
FEW = 12

#: What trainers and sites call the models.
SAID = {
    "sdxl-base": {"ss_base_model_version": "sdxl_base_v1-0"},
    "flux-dev": {"modelspec.architecture": "flux-1-dev/lora"},
    "flux-2-klein-4b": {"base_model": "Flux.2 Klein 4B"},
    "flux-2-klein-9b": {"base_model": "black-forest-labs/FLUX.2-klein-9B"},
    "z-image-turbo": {"ss_base_model_version": "zimage"},
    "sd-3.5-large": {"modelspec.architecture": "stable-diffusion-3/lora"},
    "sd-3.5-medium": {"base_model": "SD 3.5 Medium"},
}


def families() -> dict[str, LoraSupport]:
    known = discover().families
    return {name: family.loras for name, family in known.items() if family.loras is not None}


FAMILIES = families()


def claims(shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None = None) -> list[str]:
    """The families that recognise a file."""
    said = metadata or {}
    return [name for name, loras in FAMILIES.items() if loras.recognizes_lora(shapes, said)]


def claims_file(path: Path) -> list[str]:
    header = read(path)
    shapes = {name: entry.shape for name, entry in header.tensors.items()}
    return claims(shapes, header.metadata)


def lora(modules: Modules, prefix: str = "diffusion_model.") -> dict[str, Shape]:
    """The shapes of a LoRA of rank 4."""
    shapes: dict[str, Shape] = {}
    for name, (rows, columns, *kernel) in modules.items():
        ones = (1,) * len(kernel)
        shapes[f"{prefix}{name}.lora_down.weight"] = (4, columns, *kernel)
        shapes[f"{prefix}{name}.lora_up.weight"] = (rows, 4, *ones)
    return shapes


def names_of(model: str, names: str) -> Modules:
    if names == "own":
        return modules_of(denoiser(model))
    return original_modules(stand_in(model), denoiser(model))


def some(modules: Modules, *words: str) -> Modules:
    """The modules whose names have one of these words."""
    return {name: size for name, size in modules.items() if any(word in name for word in words)}


@pytest.mark.parametrize("names", ["own", "authors"])
@pytest.mark.parametrize("model", MODELS)
def test_a_whole_file_is_its_familys_alone(model: str, names: str) -> None:
    modules = names_of(model, names)
    assert claims(lora(modules)) == [MODELS[model]]
    assert claims(lora(modules), {"base_model": "something else"}) == [MODELS[model]]
    assert claims(lora(modules), SAID[model]) == [MODELS[model]]


@pytest.mark.parametrize("names", ["own", "authors"])
@pytest.mark.parametrize("model", MODELS)
def test_the_width_that_a_file_tells_is_its_models(model: str, names: str) -> None:
    shapes = lora(names_of(model, names))
    width = FAMILIES[MODELS[model]].width
    told = None if width is None else width(shapes)
    assert told == discover().cards[model][1].lora_width
    assert (told is not None) == (MODELS[model] in ("flux2", "sd3"))


def test_files_for_toys_tell_no_width() -> None:
    widths = {name: FAMILIES[name].width for name in ("flux2", "sd3")}
    assert all(width is not None for width in widths.values())
    toy = lora({"transformer_blocks.0.attn.to_q": (32, 32)})
    strange = lora({"nobody.knows": (3072, 3072)})
    assert [width(shapes) for width in widths.values() if width for shapes in (toy, strange)] == (
        [None] * 4
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("model", ["sdxl-base", "flux-2-klein-4b"])
def test_a_file_of_any_layout_is_its_familys_alone(model: str, layout: str, tmp_path: Path) -> None:
    own, authors = names_of(model, "own"), names_of(model, "authors")
    few = dict(list(some(own, "to_k", "to_out").items())[:FEW])
    theirs = dict(list(some(authors, "attn2.to_v", "linear1").items())[:FEW])
    for modules in (few, theirs):
        path = write(tmp_path / "x.safetensors", modules, layout, rank=1, alpha=1, dtype="float16")
        assert claims_file(path) == [MODELS[model]]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("model", ["sdxl-base", "flux-dev", "z-image-turbo", "sd-3.5-medium"])
def test_a_file_of_any_type_is_its_familys_alone(model: str, network: str, tmp_path: Path) -> None:
    words = ("down_blocks.2", "s.0.", "single_transformer_blocks.0")
    few = dict(list(some(names_of(model, "own"), *words).items())[: 2 * FEW])
    path = write(tmp_path / "x.safetensors", few, "kohya", network, rank=1, dtype="float16")
    assert claims_file(path) == [MODELS[model]]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("sdxl-base", ["attn2.to_k"]),
        ("sdxl-base", ["up_blocks.0.attentions.1."]),
        ("sdxl-base", ["attn1"]),
        ("flux-dev", ["transformer_blocks.0.attn.to_q"]),
        ("flux-dev", ["single_transformer_blocks.7.proj_out"]),
        ("flux-dev", ["double_blocks.3.img_mlp"]),
        ("flux-dev", ["single_blocks.20.linear2"]),
        ("flux-2-klein-4b", ["single_transformer_blocks.0.attn.to_out"]),
        ("flux-2-klein-4b", ["double_blocks.1.txt_mlp"]),
        ("flux-2-klein-4b", ["single_blocks.19.linear1"]),
        ("flux-2-klein-9b", ["transformer_blocks.0.attn.to_q"]),
        ("z-image-turbo", ["attention.qkv"]),
        ("z-image-turbo", ["layers.0.feed_forward.w1"]),
        ("sd-3.5-large", ["attn.to_q"]),
        ("sd-3.5-medium", ["x_block.attn2"]),
        ("sd-3.5-medium", ["ff_context"]),
    ],
)
def test_a_file_of_few_modules_is_its_familys_alone(model: str, words: list[str]) -> None:
    modules = {**names_of(model, "own"), **names_of(model, "authors")}
    few = some(modules, *words)
    assert few
    assert claims(lora(few)) == [MODELS[model]]


def test_residual_blocks_of_sdxl_need_a_hint() -> None:
    residual = some(names_of("sdxl-base", "own"), "resnets")
    second = {"lora_te2_text_model_encoder_layers_0_mlp_fc1": (5120, 1280)}
    assert claims(lora(residual)) == []
    assert claims(lora(residual), SAID["sdxl-base"]) == ["sdxl"]
    assert claims({**lora(residual), **lora(second, "")}) == ["sdxl"]


def test_attention_that_fits_two_is_the_one_the_file_says() -> None:
    double = some(names_of("flux-2-klein-4b", "authors"), "img_attn", "txt_attn")
    assert claims(lora(double)) == ["flux"]
    assert claims(lora(double), SAID["flux-2-klein-4b"]) == ["flux2"]
    assert claims(lora(double), SAID["flux-dev"]) == ["flux"]


@pytest.mark.parametrize("style", ["inkwash", "neon"])
def test_the_embedded_styles_are_the_embedded_models(style: str) -> None:
    assert claims_file(POSTCARD / f"{style}.safetensors") == ["postcard"]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_for_the_embedded_model_is_its_alone(network: str, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    weights = POSTCARD.parent / "weights" / "unet"
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(weights))
    path = write(tmp_path / "x.safetensors", modules_of(unet), "kohya", network, rank=2)
    assert claims_file(path) == ["postcard"]


def attention(width: int, text: int, *blocks: str, depth: int = 1) -> dict[str, Shape]:
    """The attentions of a UNet's blocks."""
    return {
        f"{block}.transformer_blocks.{number}.{layer}": (
            (width, text) if layer in ("attn2.to_k", "attn2.to_v") else (width, width)
        )
        for block in blocks
        for number in range(depth)
        for layer in ("attn1.to_q", "attn1.to_k", "attn1.to_out.0", "attn2.to_q", "attn2.to_k")
    }


def joint(name: str, width: int, layers: tuple[str, ...], count: int) -> dict[str, Shape]:
    """Square layers of so many blocks."""
    return {
        f"{name}.{number}.{layer}": (width, width) for number in range(count) for layer in layers
    }


_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out")
_CHROMA = {
    **joint("transformer_blocks", 3072, (*_QKV, *_ADDED, "attn.to_out.0"), 19),
    **joint("single_transformer_blocks", 3072, _QKV, 38),
}
_LEVELS = tuple(f"down_blocks.{level}.attentions.{layer}" for level in range(3) for layer in (0, 1))
_MIDDLE = ("mid_block.attentions.0",)
_SD1_INPUT = tuple(f"input_blocks.{number}.1" for number in (1, 2, 4, 5, 7, 8))

#: LoRAs for models that no family has, by what they are for.
FOREIGN: dict[str, tuple[Modules, Mapping[str, str]]] = {
    "Stable Diffusion 1.5": (attention(320, 768, *_LEVELS), {}),
    "its middle": (attention(1280, 768, *_MIDDLE), {}),
    "its authors' names": (attention(320, 768, *_SD1_INPUT), {}),
    "said to be SDXL": (attention(320, 768, *_LEVELS), SAID["sdxl-base"]),
    "Stable Diffusion 2.1": (attention(640, 1024, *_LEVELS), {}),
    "its middle too": (attention(1280, 1024, *_MIDDLE), {}),
    "SDXL's refiner": (attention(768, 1280, "down_blocks.1.attentions.0", depth=4), {}),
    "Wan": (joint("blocks", 5120, ("self_attn.q", "cross_attn.k", "ffn.0"), 40), {}),
    "Chroma, as it says": (_CHROMA, {"ss_base_model_version": "chroma"}),
    "Chroma's guidance": (
        {**_CHROMA, "distilled_guidance_layer.layers.0.linear_1": (5120, 5120)},
        {},
    ),
    "HunyuanVideo": (
        {
            **joint("transformer_blocks", 3072, (*_QKV, *_ADDED), 20),
            **joint("single_transformer_blocks", 3072, _QKV, 40),
        },
        {},
    ),
    "Qwen-Image": (joint("transformer_blocks", 3072, (*_QKV, *_ADDED), 60), {}),
    "AuraFlow": (
        {
            **joint("joint_transformer_blocks", 3072, (*_QKV, *_ADDED), 4),
            **joint("single_transformer_blocks", 3072, (*_QKV, "attn.to_out.0"), 32),
        },
        {},
    ),
    "FLUX.2 dev": (joint("single_blocks", 6144, ("linear2",), 48), {}),
    "PixArt": (joint("transformer_blocks", 1152, ("attn1.to_q", "attn2.to_q"), 28), {}),
    "Lumina 2": (
        {
            **{f"layers.{number}.attention.qkv": (3840, 2304) for number in range(26)},
            **{f"layers.{number}.attention.out": (2304, 2304) for number in range(26)},
        },
        {},
    ),
    "another model of such blocks": (joint("transformer_blocks", 2048, (*_QKV, *_ADDED), 24), {}),
    "a deeper one": (joint("transformer_blocks", 1536, (*_QKV, *_ADDED), 42), {}),
}


@pytest.mark.parametrize("prefix", ["diffusion_model.", "transformer.", "lora_unet_"])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_for_another_model_is_nobodys(name: str, prefix: str) -> None:
    modules, metadata = FOREIGN[name]
    if prefix.endswith("_"):
        modules = {name.replace(".", "_"): size for name, size in modules.items()}
    assert claims(lora(modules, prefix), metadata) == []


def test_a_wrong_shape_is_nobodys_whatever_it_says() -> None:
    wrong = {name: (rows + 8, columns) for name, (rows, columns) in _CHROMA.items()}
    assert claims(lora(wrong), SAID["flux-dev"]) == []
    assert claims({}, SAID["flux-dev"]) == []
    assert claims({"model.layers.0.weight": (8, 8)}, SAID["sdxl-base"]) == []
    encoder = lora({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (3072, 768)}, "")
    assert claims(encoder, SAID["flux-dev"]) == []


def test_how_the_names_of_base_models_begin() -> None:
    said = {
        **{"SDXL 1.0": "sdxl", "Illustrious": "sdxl", "NoobAI": "sdxl", "Pony": "sdxl"},
        **{"Flux.1 D": "flux", "Flux.1 S": "flux", "Flux.1 Krea": "flux"},
        **{"Flux.2 Klein 4B": "flux2", "Flux.2 Klein 9B-base": "flux2"},
        **{"ZImageTurbo": "z_image", "SD 3.5 Large": "sd3", "SD 3": "sd3", "postcard": "postcard"},
        **{"SD 1.5": "", "Chroma": "", "Wan Video 14B t2v": "", "Qwen": "", "HiDream": ""},
    }
    found = {
        name: "".join(
            family
            for family, loras in FAMILIES.items()
            if name.lower().startswith(loras.base_models)
        )
        for name in said
    }
    assert found == said


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("Chroma", ["flux"]),
        ("lodestones/Chroma1-HD", ["flux"]),
        ("Qwen", ["flux"]),
        ("Kolors", ["sdxl"]),
        ("Kwai-Kolors/Kolors-diffusers", ["sdxl"]),
        ("SDXL Lightning", []),
        ("Flux.1 D", []),
        ("SD 1.5", []),
    ],
)
def test_how_the_names_of_models_begin_whose_loras_look_alike(
    name: str, families: list[str]
) -> None:
    found = [
        family for family, loras in FAMILIES.items() if name.lower().startswith(loras.relatives)
    ]
    assert found == families


def test_only_the_prompts_of_one_family_have_weights_and_only_one_brings_loras() -> None:
    assert sorted(FAMILIES) == ["flux", "flux2", "postcard", "sd3", "sdxl", "z_image"]
    assert [name for name, loras in FAMILIES.items() if loras.weighted_prompts] == ["sdxl"]
    folders = {name: loras.folder for name, loras in FAMILIES.items() if loras.folder is not None}
    assert folders == {"postcard": POSTCARD}
