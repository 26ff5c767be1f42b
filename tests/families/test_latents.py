"""What previews show: each family's latents as a picture, the right way up, in its colours."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from server.plugins.manager import discover
from server.plugins.types import LatentFormat, ModelCard, ModelFamily
from server.worker.preview import colours, encode_preview
from tests.families.build import STAND_INS
from tests.families.published import MODELS, OF_EACH_FAMILY

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

Table = tuple[tuple[float, float, float], ...]

#: Copied from github.com/comfyanonymous/ComfyUI, comfy/latent_formats.py at 040a324: classes SDXL,
#: Flux (also Chroma's and Z-Image's), SD3; and Flux2 from the same file of its fork
#: pollockjj/ComfyUI at 2b73f52. A row per latent channel: red, green, blue; the last row: the bias.
SDXL: Table = (
    (0.3651, 0.4232, 0.4341),
    (-0.2533, -0.0042, 0.1068),
    (0.1076, 0.1111, -0.0362),
    (-0.3165, -0.2492, -0.2188),
    (0.1084, -0.0175, -0.0011),
)
FLUX: Table = (
    (-0.0346, 0.0244, 0.0681),
    (0.0034, 0.0210, 0.0687),
    (0.0275, -0.0668, -0.0433),
    (-0.0174, 0.0160, 0.0617),
    (0.0859, 0.0721, 0.0329),
    (0.0004, 0.0383, 0.0115),
    (0.0405, 0.0861, 0.0915),
    (-0.0236, -0.0185, -0.0259),
    (-0.0245, 0.0250, 0.1180),
    (0.1008, 0.0755, -0.0421),
    (-0.0515, 0.0201, 0.0011),
    (0.0428, -0.0012, -0.0036),
    (0.0817, 0.0765, 0.0749),
    (-0.1264, -0.0522, -0.1103),
    (-0.0280, -0.0881, -0.0499),
    (-0.1262, -0.0982, -0.0778),
    (-0.0329, -0.0718, -0.0851),
)
SD3: Table = (
    (-0.0922, -0.0175, 0.0749),
    (0.0311, 0.0633, 0.0954),
    (0.1994, 0.0927, 0.0458),
    (0.0856, 0.0339, 0.0902),
    (0.0587, 0.0272, -0.0496),
    (-0.0006, 0.1104, 0.0309),
    (0.0978, 0.0306, 0.0427),
    (-0.0042, 0.1038, 0.1358),
    (-0.0194, 0.0020, 0.0669),
    (-0.0488, 0.0130, -0.0268),
    (0.0922, 0.0988, 0.0951),
    (-0.0278, 0.0524, -0.0542),
    (0.0332, 0.0456, 0.0895),
    (-0.0069, -0.0030, -0.0810),
    (-0.0596, -0.0465, -0.0293),
    (-0.1448, -0.1463, -0.1189),
    (0.2394, 0.2135, 0.1925),
)
FLUX2: Table = (
    (0.0058, 0.0113, 0.0073),
    (0.0495, 0.0443, 0.0836),
    (-0.0099, 0.0096, 0.0644),
    (0.2144, 0.3009, 0.3652),
    (0.0166, -0.0039, -0.0054),
    (0.0157, 0.0103, -0.0160),
    (-0.0398, 0.0902, -0.0235),
    (-0.0052, 0.0095, 0.0109),
    (-0.3527, -0.2712, -0.1666),
    (-0.0301, -0.0356, -0.0180),
    (-0.0107, 0.0078, 0.0013),
    (0.0746, 0.0090, -0.0941),
    (0.0156, 0.0169, 0.0070),
    (-0.0034, -0.0040, -0.0114),
    (0.0032, 0.0181, 0.0080),
    (-0.0939, -0.0008, 0.0186),
    (0.0018, 0.0043, 0.0104),
    (0.0284, 0.0056, -0.0127),
    (-0.0024, -0.0022, -0.0030),
    (0.1207, -0.0026, 0.0065),
    (0.0128, 0.0101, 0.0142),
    (0.0137, -0.0072, -0.0007),
    (0.0095, 0.0092, -0.0059),
    (0.0000, -0.0077, -0.0049),
    (-0.0465, -0.0204, -0.0312),
    (0.0095, 0.0012, -0.0066),
    (0.0290, -0.0034, 0.0025),
    (0.0220, 0.0169, -0.0048),
    (-0.0332, -0.0457, -0.0468),
    (-0.0085, 0.0389, 0.0609),
    (-0.0076, 0.0003, -0.0043),
    (-0.0111, -0.0460, -0.0614),
    (-0.0329, -0.0718, -0.0851),
)
TABLES = {
    "sdxl": SDXL,
    "flux": FLUX,
    "chroma": FLUX,
    "z_image": FLUX,
    "flux2": FLUX2,
    "sd3": SD3,
}
FAMILIES = tuple(model for model in OF_EACH_FAMILY if MODELS[model].family in TABLES)

#: The made-up picture: latents wide and high, and how many of each are the bright corner's.
WIDE, HIGH = 14, 10
CORNER_WIDE, CORNER_HIGH = 6, 4

Pixels = npt.NDArray[np.uint8]


@cache
def announced(model: str) -> tuple[ModelFamily, ModelCard]:
    return discover().cards[model]


def latent_format(model: str) -> LatentFormat:
    found = announced(model)[0].latent_format
    assert found is not None
    return found


@pytest.mark.parametrize("model", FAMILIES)
def test_the_factors_are_the_published_ones(model: str) -> None:
    *factors, bias = TABLES[MODELS[model].family]
    found = latent_format(model)
    assert tuple(map(tuple, found.rgb_factors)) == tuple(factors)
    assert tuple(found.rgb_bias) == bias


def picture(channels: int) -> Any:
    """Latents (channels, high, wide) of a corner, above on the left, that differs from the rest,
    the same in each channel but for its size."""
    import torch

    plane = -torch.ones(HIGH, WIDE)
    plane[:CORNER_HIGH, :CORNER_WIDE] = 1
    return plane * torch.linspace(0.2, 1.5, channels)[:, None, None]


def held_by_the_loop(family: str, latents: Any) -> Any:
    """A batch of one as the loop of diffusers' own pipeline holds it: packed as that packs."""
    import diffusers

    batch = latents[None]
    channels, high, wide = latents.shape
    match family:
        case "flux":
            return diffusers.FluxPipeline._pack_latents(batch, 1, channels, high, wide)
        case "chroma":
            return diffusers.ChromaPipeline._pack_latents(batch, 1, channels, high, wide)
        case "flux2":
            klein = diffusers.Flux2KleinPipeline
            return klein._pack_latents(klein._patchify_latents(batch))
        case _:
            return batch


def shown(model: str, latents: Any) -> Any:
    """What the family's pipeline makes of the loop's latents, for previews."""
    module, _, _ = announced(model)[0].load.partition(":")
    classes = vars(importlib.import_module(module)).values()
    (own,) = [kind for kind in classes if getattr(kind, "__module__", "") == module and _is(kind)]
    params = SimpleNamespace(width=8 * WIDE, height=8 * HIGH)
    return own.latent_image(own.__new__(own), latents, params)


def _is(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "latent_image")


@pytest.mark.parametrize("model", FAMILIES)
def test_packing_is_undone(model: str) -> None:
    import torch

    channels = latent_format(model).channels
    latents = torch.arange(channels * HIGH * WIDE, dtype=torch.float32)
    latents = latents.reshape(channels, HIGH, WIDE)
    packed = held_by_the_loop(MODELS[model].family, latents)
    assert torch.equal(shown(model, packed), latents)


@pytest.mark.parametrize("model", FAMILIES)
def test_left_is_left_and_above_is_above(model: str) -> None:
    family = MODELS[model].family
    latents = picture(latent_format(model).channels)
    pixels = colours(shown(model, held_by_the_loop(family, latents)).numpy(), latent_format(model))
    assert pixels.shape == (HIGH, WIDE, 3)
    corner = pixels[:CORNER_HIGH, :CORNER_WIDE]
    rest = np.ones((HIGH, WIDE), bool)
    rest[:CORNER_HIGH, :CORNER_WIDE] = False
    scale = np.linspace(0.2, 1.5, latent_format(model).channels)
    assert np.abs(corner - in_colour(family, scale)).max() <= 1
    assert np.abs(pixels[rest] - in_colour(family, -scale)).max() <= 1
    assert np.abs(in_colour(family, scale) - in_colour(family, -scale)).max() > 20


def in_colour(family: str, latent: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The colour of one latent pixel, 0 … 255, as ComfyUI shows it."""
    *factors, bias = np.asarray(TABLES[family])
    colour = latent @ np.asarray(factors) + bias
    return np.asarray((colour.clip(-1, 1) + 1) * 127.5)


@pytest.mark.parametrize("model", FAMILIES)
def test_a_preview_has_the_shape_of_the_image(model: str) -> None:
    latents = picture(latent_format(model).channels).numpy()
    preview = Image.open(BytesIO(encode_preview(latents, latent_format(model))), formats=("JPEG",))
    assert preview.width / preview.height == pytest.approx(WIDE / HIGH, rel=0.01)


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3, 8, 128])
def test_latents_of_other_models_are_shown_in_greys(model: str, channels: int) -> None:
    pixels = colours(picture(channels).numpy(), latent_format(model))
    assert pixels.shape == (HIGH, WIDE, 3)
    assert (pixels[0, 0] > pixels[-1, -1]).all()
    assert (pixels == pixels[..., :1]).all()


# --- scale and shift -----------------------------------------------------------------------------


def linear_decoder(family: str, pipe: Any) -> Callable[..., Any]:
    """The `decode` of an autoencoder whose pictures are, by construction, the table's colours."""
    import torch

    config = pipe.vae.config
    *factors, bias = torch.tensor(TABLES[family])

    def in_the_loop(latents: Any) -> Any:
        if family != "flux2":
            return (latents - (config.shift_factor or 0.0)) * config.scaling_factor
        norm = pipe.vae.bn
        deviation = (norm.running_var + config.batch_norm_eps).sqrt()[:, None, None]
        patches = pipe._patchify_latents(latents) - norm.running_mean[:, None, None]
        return pipe._unpatchify_latents(patches / deviation)

    def decode(latents: Any, **_: Any) -> tuple[Any]:
        small = torch.einsum("bchw,cr->brhw", in_the_loop(latents), torch.stack(factors))
        small = small + bias[:, None, None]
        return (small.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3),)

    return decode


@pytest.mark.parametrize("model", FAMILIES)
def test_the_last_preview_is_what_a_linear_autoencoder_decodes(
    tiny: Callable[[str], Path], model: str
) -> None:
    """Diffusers' own pipeline undoes packing, scale and shift; the preview must come out alike."""
    from tests.families import plain_diffusers

    pipe = plain_diffusers.load(tiny(STAND_INS[model]))
    pipe.vae.decode = linear_decoder(MODELS[model].family, pipe)
    seen: list[Any] = []

    def step_end(_pipe: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(tensors["latents"])
        return tensors

    (image,) = pipe(
        prompt="a red circle",
        width=8 * WIDE,
        height=8 * HIGH,
        num_inference_steps=2,
        guidance_scale=0.0,
        callback_on_step_end=step_end,
    ).images
    preview = colours(shown(model, seen[-1]).numpy(), latent_format(model))
    decoded = np.asarray(image)[::8, ::8]
    assert np.abs(preview.astype(int) - decoded).max() <= 1
    assert decoded.std() > 5
