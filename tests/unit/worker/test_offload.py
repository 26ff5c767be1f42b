"""Which mode a model gets on which device."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server.model_entry import Offload
from server.worker.components import VAE, Component
from server.worker.estimate import Estimate, Footprint, footprint
from server.worker.memory import Memory
from server.worker.offload import MODES, Decision, Mode, decide, needed
from tests.unit.worker.processes import ROOT

GIB = 2**30
HOST = 64 * GIB

#: Parameters of the published models' parts, of their denoisers' largest blocks, and of what is
#: in no block.
CLIP_L, CLIP_G, T5 = 123_060_480, 694_659_840, 4_762_310_656
QWEN_4B, QWEN_8B = 4_022_468_096, 8_190_735_360
AUTOENCODER = 83_819_683
#: Their largest tensors: the tables of tokens.
TABLES = {
    CLIP_L: 49408 * 768,
    CLIP_G: 49408 * 1280,
    T5: 32128 * 4096,
    QWEN_4B: 151936 * 2560,
    QWEN_8B: 151936 * 4096,
}


def part(parameters: int, number: float = 2) -> Component:
    table = round(TABLES[parameters] * number)
    return Component(round(parameters * number), 2 * table, table)


def transformer(
    *texts: int, size: int, block: int, loose: int, width: int, number: float = 2
) -> Footprint:
    """A pipeline in bfloat16 whose transformer takes `number` bytes per parameter."""
    tensor = round(4 * width**2 * number)
    streamed = round((2 * block + loose) * number)
    parts = {f"text_encoder_{index}": part(text) for index, text in enumerate(texts, 1)}
    parts["transformer"] = Component(round(size * number), streamed, tensor)
    parts[VAE] = Component(AUTOENCODER * 2, AUTOENCODER * 2, 10**7)
    return footprint(parts, "bfloat16", {"dim": width}, {})


def flux(number: float = 2) -> Footprint:
    return transformer(
        *(CLIP_L, T5),
        size=11_901_408_320,
        block=339_831_296,
        loose=64_124_992,
        width=3072,
        number=number,
    )


def klein_9b(number: float = 2) -> Footprint:
    return transformer(
        QWEN_8B,
        size=9_078_581_248,
        block=436_208_128,
        loose=354_418_688,
        width=4096,
        number=number,
    )


def sdxl() -> Footprint:
    unet = Component(2_567_463_684 * 2, 4 * 10240 * 1280 * 2, 10240 * 1280 * 2)
    vae = Component(83_653_863 * 2, 83_653_863 * 2, 10**7)
    parts = {"text_encoder": part(CLIP_L), "text_encoder_2": part(CLIP_G), "unet": unet, VAE: vae}
    return footprint(parts, "bfloat16", {"block_out_channels": [320, 640, 1280]}, {})


MODELS = {
    "sdxl": sdxl(),
    "flux": flux(),
    "flux int8": flux(1),
    "flux nf4": flux(0.5625),  # with a scale in float32 for each 64 numbers
    "chroma": transformer(T5, size=8_899_983_424, block=226_548_224, loose=291_267_648, width=3072),
    "z-image": transformer(
        QWEN_4B, size=6_154_908_736, block=180_910_336, loose=2_015_552, width=3840
    ),
    "klein 4b": transformer(
        QWEN_4B, size=3_875_544_576, block=245_367_296, loose=195_035_136, width=3072
    ),
    "klein 9b": klein_9b(),
    "klein 9b int8": klein_9b(1),
    "sd3.5 large": transformer(
        *(CLIP_L, CLIP_G, T5), size=8_146_280_768, block=212_999_680, loose=129_207_360, width=2432
    ),
    "sd3.5 medium": transformer(
        *(CLIP_L, CLIP_G, T5), size=2_469_663_936, block=101_506_944, loose=245_968_928, width=1536
    ),
}

#: The mode for 1024 x 1024 pixels on a GPU with 8, 12, 16, 24 and 80 GiB, all of it free.
TABLE: dict[str, tuple[Mode, Mode, Mode, Mode, Mode]] = {
    "sdxl": ("model", "none", "none", "none", "none"),
    "flux": ("group", "group", "group", "group", "none"),
    "flux int8": ("group", "group", "model", "model", "none"),
    "flux nf4": ("group", "model", "model", "none", "none"),
    "chroma": ("group", "group", "group", "model", "none"),
    "z-image": ("group", "group", "model", "none", "none"),
    "klein 4b": ("group", "model", "model", "none", "none"),
    "klein 9b": ("group", "group", "group", "model", "none"),
    "klein 9b int8": ("group", "group", "group", "model", "none"),
    "sd3.5 large": ("group", "group", "group", "model", "none"),
    "sd3.5 medium": ("group", "model", "model", "none", "none"),
}


def on_gpu(
    gib: float, estimate: Estimate, wish: Offload = "auto", device: str = "cuda:0", host: int = HOST
) -> Decision:
    size = round(gib * GIB)
    return decide(estimate, device, Memory(size, size), host_free=host, wish=wish)


@pytest.mark.parametrize("name", TABLE)
def test_the_fastest_mode_that_fits_is_chosen(name: str) -> None:
    estimate = MODELS[name].at(1024, 1024)
    decisions = [on_gpu(gib, estimate) for gib in (8, 12, 16, 24, 80)]
    assert tuple(decision.mode for decision in decisions) == TABLE[name]
    assert all(decision.fits for decision in decisions)
    assert not any(decision.vae_tiling for decision in decisions)


@pytest.mark.parametrize("name", MODELS)
def test_slower_modes_take_less(name: str) -> None:
    estimate = MODELS[name].at(1024, 1024)
    sizes = [needed(estimate, mode, tiled=False) for mode in MODES]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("wish", ["auto", *MODES])
@pytest.mark.parametrize("name", MODELS)
def test_on_the_cpu_weights_stay_where_they_are(name: str, wish: Offload) -> None:
    estimate = MODELS[name].at(1024, 1024)
    decision = decide(estimate, "cpu", Memory(16 * GIB, 32 * GIB), host_free=HOST, wish=wish)
    assert decision.mode == "none"
    assert "would free nothing" in decision.reason
    assert decision.fits == ("may not fit" not in decision.reason)


def test_an_apple_gpu_shares_its_memory_but_obeys() -> None:
    estimate = MODELS["flux"].at(1024, 1024)
    assert on_gpu(24, estimate, device="mps").mode == "none"
    assert on_gpu(24, estimate, "model", device="mps").mode == "model"


@pytest.mark.parametrize("wish", MODES)
def test_a_wish_is_obeyed_and_told_when_it_does_not_fit(wish: Mode) -> None:
    estimate = MODELS["sdxl"].at(2048, 2048)
    roomy, tight = on_gpu(80, estimate, wish), on_gpu(1, estimate, wish)
    assert (roomy.mode, roomy.fits, roomy.vae_tiling) == (wish, True, False)
    assert (tight.mode, tight.fits, tight.vae_tiling) == (wish, False, True)
    assert "may not fit" in tight.reason
    assert "may not fit" not in roomy.reason


def test_what_fits_nowhere_gets_the_most_saving_mode() -> None:
    decision = on_gpu(1, MODELS["sdxl"].at(2048, 2048))
    assert (decision.mode, decision.fits, decision.vae_tiling) == ("sequential", False, True)


def test_tiles_that_do_not_help_are_not_used() -> None:
    # One tile is as large as the whole image.
    assert not on_gpu(1, MODELS["sdxl"].at(1024, 1024)).vae_tiling


def test_modes_that_a_quantization_forbids_are_left_out() -> None:
    estimate, tiny = MODELS["flux nf4"].at(1024, 1024), Memory(GIB, GIB)
    decision = decide(estimate, "cuda", tiny, host_free=HOST, without=["sequential"])
    assert decision.mode == "group"


def test_tiles_change_the_image_and_are_the_last_resort() -> None:
    large = MODELS["sdxl"].at(2048, 2048)
    assert (on_gpu(12, large).mode, on_gpu(12, large).vae_tiling) == ("model", False)
    assert (on_gpu(8, large).mode, on_gpu(8, large).vae_tiling) == ("model", True)
    assert on_gpu(8, large).vae_slicing


def test_memory_that_others_hold_is_not_counted_on() -> None:
    estimate = MODELS["sdxl"].at(1024, 1024)
    busy = decide(estimate, "cuda", Memory(6 * GIB, 80 * GIB), host_free=HOST)
    assert busy.mode in {"group", "sequential"}


def test_a_reserve_stays_free() -> None:
    estimate = MODELS["sdxl"].at(1024, 1024)
    exact = needed(estimate, "none", tiled=False)
    assert decide(estimate, "cuda", Memory(exact, exact), host_free=HOST).mode == "model"


def test_the_reason_is_a_sentence_with_sizes() -> None:
    decision = on_gpu(8, MODELS["sdxl"].at(1024, 1024))
    assert decision.needed_bytes == needed(MODELS["sdxl"].at(1024, 1024), "model", tiled=False)
    assert decision.reason == (
        "One component at a time is on the device: about 5.2 GiB of 7.2 GiB usable is needed."
    )


def test_little_ram_is_told_where_weights_wait_there() -> None:
    estimate = MODELS["flux"].at(1024, 1024)
    assert "it swaps" in on_gpu(24, estimate, host=16 * GIB).reason
    assert "it swaps" not in on_gpu(24, estimate).reason
    assert "it swaps" not in on_gpu(24, estimate, host=0).reason  # unknown
    assert "it swaps" not in on_gpu(80, estimate, host=16 * GIB).reason


def test_deciding_needs_no_torch() -> None:
    code = "import sys, server.worker.offload; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "torch" not in done.stdout.split()
