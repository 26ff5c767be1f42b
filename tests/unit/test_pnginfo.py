"""The recipe inside a PNG, and the infotext that other tools read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from server import pnginfo
from server.generation import MAX_SEED, GenerationParams, Task, recipe

#: Everything a request may hold: JSON carries no lone surrogates over HTTP.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
#: What the infotext gives back exactly; see the module's docstring.
PLAIN_TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200
)
PROMPTS = PLAIN_TEXTS.filter(
    lambda text: not any(line.startswith("Negative prompt:") for line in text.split("\n"))
)
MODELS = st.text('abc-.,: "\\\nü', min_size=1, max_size=20)

TRAPS = (
    "Steps: 3",
    "a\nSteps: 3, Sampler: Euler, CFG scale: 1, Seed: 4, Size: 1x1",
    '"quoted", with: colon',
    "trailing newline\n",
    "\r\n two\tlines \u2028",
    "🌅 日没",
    " ",
)


def recipes(prompts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "prompt": prompts,
            "negative_prompt": PLAIN_TEXTS,
            "steps": st.integers(1, 150),
            "sampler": st.sampled_from([*pnginfo.SAMPLER_TITLES, "restart"]),
            "cfg_scale": st.floats(1, 20),
            "seed": st.integers(0, MAX_SEED),
            "width": st.integers(1, 2048),
            "height": st.integers(1, 2048),
            "model": MODELS,
        }
    )


def saved(info: PngInfo) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


SIMPLE = {
    "prompt": "a red circle",
    "negative_prompt": "blurry",
    "steps": 20,
    "sampler": "euler_a",
    "cfg_scale": 3.0,
    "seed": 7,
    "width": 128,
    "height": 64,
    "model": "m",
}


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.floats(allow_nan=False) | st.none()))
@example({"note": "NUL \0, 🌅, \n, \x1b"})
def test_our_chunk_loses_nothing(more: dict[str, Any]) -> None:
    original = {**SIMPLE, **more, "prompt": f"{more} \0"}
    original |= {"width": 8, "height": 8, "encoded_prompt": None, "loras": []}
    assert pnginfo.read(saved(pnginfo.chunks(original))) == original


@given(recipes(PROMPTS))
def test_the_infotext_gives_everything_back(original: dict[str, Any]) -> None:
    assert pnginfo.parse_infotext(pnginfo.infotext(original)) == {
        **original,
        "Version": pnginfo.SOFTWARE,
    }


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_in_prompts_survive_inside_a_png(trap: str) -> None:
    original = {**SIMPLE, "prompt": trap, "negative_prompt": trap}
    info = PngInfo()
    info.add_text("parameters", pnginfo.infotext(original))
    read = pnginfo.read(saved(info))
    assert read is not None
    assert (read["prompt"], read["negative_prompt"], read["seed"]) == (trap, trap, 7)


def test_the_infotext_is_the_one_that_other_tools_know() -> None:
    assert pnginfo.infotext(SIMPLE) == (
        "a red circle\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 3.0, "
        f"Seed: 7, Size: 128x64, Model: m, Version: {pnginfo.SOFTWARE}"
    )


def test_values_that_the_grammar_would_misread_are_quoted() -> None:
    text = pnginfo.infotext({**SIMPLE, "model": 'a, b: "c"'})
    assert r'Model: "a, b: \"c\"", Version' in text


def test_a_recipe_without_guidance_and_sampler_has_neither() -> None:
    original = {key: SIMPLE[key] for key in ("prompt", "steps", "seed", "width", "height", "model")}
    text = pnginfo.infotext(original)
    assert text.splitlines()[1].startswith("Steps: 20, Seed: 7, Size: 128x64, Model: m, ")


def test_what_png_text_cannot_carry_is_replaced() -> None:
    text = pnginfo.infotext({**SIMPLE, "prompt": "a\0b\ud800c"})
    assert text.startswith("a\ufffdb?c\n")


def test_infotext_of_another_tool() -> None:
    foreign = (
        "masterpiece, 1girl,\n(cat:1.2)\nNegative prompt: bad hands,\nblurry\n"
        "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 99, Size: 512x768, "
        'Model hash: abc123, Model: anything, Lora hashes: "one: 1, two: 2", Clip skip: 2'
    )
    assert pnginfo.parse_infotext(foreign) == {
        "prompt": "masterpiece, 1girl,\n(cat:1.2)",
        "negative_prompt": "bad hands,\nblurry",
        "steps": 28,
        "sampler": "dpm++_2m_karras",
        "cfg_scale": 6.5,
        "seed": 99,
        "width": 512,
        "height": 768,
        "Model hash": "abc123",
        "model": "anything",
        "Lora hashes": "one: 1, two: 2",
        "Clip skip": "2",
    }


def test_the_parts_of_an_infotext_keep_their_own_words() -> None:
    parts = pnginfo.split_infotext(
        "a cat <lora:one:0.5>\nSteps: 28, Sampler: DPM++ 2M, Schedule type: Karras, Size: 512x768"
    )
    assert (parts.prompt, parts.negative_prompt) == ("a cat <lora:one:0.5>", "")
    assert parts.settings == {
        "Steps": "28",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "Size": "512x768",
    }


@pytest.mark.parametrize("text", ["", "just a prompt", "a line\nwith: colon, only: two"])
def test_text_without_settings_is_a_prompt(text: str) -> None:
    assert pnginfo.parse_infotext(text) == {"prompt": text, "negative_prompt": ""}


def test_a_text_that_begins_with_the_negative_prompt_has_no_prompt() -> None:
    parsed = pnginfo.parse_infotext("Negative prompt: blurry\nSteps: x, Seed: 1, Size: big")
    assert parsed == {
        "prompt": "",
        "negative_prompt": "blurry",
        "steps": "x",
        "seed": 1,
        "Size": "big",
    }


@given(TEXTS)
@example('a\nb: "\\ud800", c: "\\q", d: "')
@example("p\nSteps: 1, Steps: ９, CFG scale: nan, Size: ١x٢")
def test_any_text_can_be_parsed(text: str) -> None:
    assert isinstance(pnginfo.parse_infotext(text)["prompt"], str)


def test_our_chunk_is_preferred_and_a_foreign_one_of_that_name_is_passed_over(
    tmp_path: Path,
) -> None:
    for ours, expected in (
        ('{"prompt": "ours"}', "ours"),
        ("not JSON", "theirs"),
        ("[]", "theirs"),
    ):
        info = PngInfo()
        info.add_itxt("darkroom", ours)
        info.add_text("parameters", "theirs")
        path = tmp_path / "image.png"
        path.write_bytes(saved(info))
        read = pnginfo.read(path)
        assert read is not None
        assert read["prompt"] == expected


def test_an_image_without_a_recipe() -> None:
    assert pnginfo.read(saved(PngInfo())) is None


def test_bytes_that_are_no_image_raise() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        pnginfo.read(b"GET / HTTP/1.1")


def test_a_recipe_makes_its_image_again_alone() -> None:
    params = GenerationParams(prompt="p", seed=MAX_SEED, num_images=3)
    task = Task("20260101_000000_00000000", "m", "f", params, (0, 1, 2))
    alone = recipe(task, 2)
    again = GenerationParams.model_validate(
        {key: value for key, value in alone.items() if key != "model"}
    )
    assert (again.seed, again.num_images, alone["model"]) == (1, 1, "m")
    assert Task(task.job_id, "m", "f", again, (0,)).seed(0) == task.seed(2)
    document = pnginfo.document(alone, task.job_id, 2)
    assert (document["job_id"], document["index"]) == (task.job_id, 2)
    assert document["software"] == pnginfo.SOFTWARE
