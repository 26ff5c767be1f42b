"""LoRAs in the infotext of an image: ours, other tools', and as an independent program reads it."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from sd_parsers import ParserManager

from server import pnginfo

SIMPLE = {
    "prompt": "a red <lora:Ink v2:0.3> circle",
    "encoded_prompt": "a red circle, (ink style:0.5)",
    "negative_prompt": "blurry",
    "steps": 20,
    "sampler": "euler_a",
    "cfg_scale": 3.0,
    "seed": 7,
    "width": 128,
    "height": 64,
    "model": "m",
}
INK = {"id": "civitai_1963644", "weight": 0.8, "name": "Ink v2", "autov3": "ab" * 32}
OIL = {"id": "local_cdcdcdcdcdcd", "weight": -0.25, "name": "oil", "autov3": "cd" * 32}


def test_loras_stand_behind_the_prompt_that_was_encoded_and_in_two_settings() -> None:
    text = pnginfo.infotext({**SIMPLE, "loras": [INK, OIL]})
    assert text == (
        "a red circle, (ink style:0.5) <lora:Ink v2:0.8> <lora:oil:-0.25>\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 3.0, Seed: 7, Size: 128x64, Model: m, "
        'Lora hashes: "Ink v2: abababababab, oil: cdcdcdcdcdcd", '
        f"Version: {pnginfo.SOFTWARE}, "
        'Civitai resources: [{"type":"lora","weight":0.8,"modelVersionId":1963644,'
        '"modelName":"Ink v2"},{"type":"lora","weight":-0.25,"modelName":"oil"}]'
    )


def test_loras_are_read_back() -> None:
    read = pnginfo.parse_infotext(pnginfo.infotext({**SIMPLE, "loras": [INK, OIL]}))
    assert read["prompt"] == SIMPLE["encoded_prompt"]
    assert read["loras"] == [
        {"id": "civitai_1963644", "weight": 0.8},
        {"id": "local_cdcdcdcdcdcd", "weight": -0.25},
    ]
    words = ("negative_prompt", "steps", "sampler", "cfg_scale", "seed", "width", "height", "model")
    assert {word: read[word] for word in words} == {word: SIMPLE[word] for word in words}
    assert read["Version"] == pnginfo.SOFTWARE


def test_a_recipe_of_which_only_ids_are_known() -> None:
    recipe = {**SIMPLE, "encoded_prompt": None, "prompt": "p", "loras": [{"id": "civitai_5"}]}
    text = pnginfo.infotext(recipe)
    assert text.startswith("p <lora:civitai_5:1>\n")
    assert "Lora hashes" not in text
    assert pnginfo.parse_infotext(text)["loras"] == [{"id": "civitai_5", "weight": 1.0}]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LORAS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 10**12).map(lambda number: f"civitai_{number}")
            | st.text("0123456789abcdef", min_size=12, max_size=12).map("local_{}".format),
            "weight": st.floats(-2, 2),
            "name": NAMES,
            "autov3": st.none(),
        }
    ),
    min_size=1,
    max_size=4,
).map(lambda refs: [{**ref, "name": f"{number} {ref['name']}"} for number, ref in enumerate(refs)])
#: What an infotext carries, without tags of its own.
PROMPTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0<"), max_size=60)


@given(prompt=PROMPTS, loras=LORAS)
@example(prompt="a\n", loras=[{**OIL, "name": 'a: "b", [c]}]\nSteps: 3, Seed: 4'}])
@example(prompt="trailing ", loras=[{**INK, "name": "Negative prompt: <lora:x:1>"}])
def test_any_names_and_weights_come_back(prompt: str, loras: list[dict[str, Any]]) -> None:
    if any(line.startswith("Negative prompt:") for line in prompt.split("\n")):
        return
    hashed = [{**ref, "autov3": ref["id"].removeprefix("local_").ljust(64, "0")} for ref in loras]
    text = pnginfo.infotext({**SIMPLE, "encoded_prompt": prompt, "loras": hashed})
    read = pnginfo.parse_infotext(text)
    assert (read["prompt"], read["seed"], read["model"]) == (prompt, 7, "m")
    assert read["loras"] == [{"id": ref["id"], "weight": ref["weight"]} for ref in loras]


def test_tags_and_hashes_of_another_tool() -> None:
    read = pnginfo.parse_infotext(
        "1girl, <lora:one:0.7:0.5>, (cat:1.2) <lora:two words>\n"
        "Steps: 28, Sampler: Euler a, CFG scale: 6.5, Seed: 99, Size: 512x768, "
        'Lora hashes: "one: AB12cd34ef56, three: 1", Version: v1.10.1'
    )
    assert read["prompt"] == "1girl, (cat:1.2)"
    assert read["loras"] == [{"id": "local_ab12cd34ef56", "weight": 0.7}, {"id": "two words"}]
    assert read["Lora hashes"] == "one: AB12cd34ef56, three: 1"


def test_resources_of_the_site_alone() -> None:
    resources = (
        '[{"type":"checkpoint","modelVersionId":691639,"modelName":"Some: base, x"},'
        '{"type":"lora","weight":0.9,"modelVersionId":12},{"type":"embed","modelVersionId":3},'
        '{"type":"LyCORIS","modelVersionId":13},{"type":"lora"}]'
    )
    read = pnginfo.parse_infotext(
        "p\nSteps: 25, CFG scale: 4, Seed: 5, "
        f"Civitai resources: {resources}, Civitai metadata: {{}}"
    )
    assert (read["prompt"], read["seed"], read["Civitai metadata"]) == ("p", 5, "{}")
    assert read["loras"] == [{"id": "civitai_12", "weight": 0.9}, {"id": "civitai_13"}]
    assert read["Civitai resources"] == resources
    assert "base" not in read


@pytest.mark.parametrize(
    "resources", ["[", "[" * 100_000, '[{"weight":1}', "[3, null]", '[{"type":"lora","weight":{}}]']
)
def test_resources_that_are_none_harm_nothing(resources: str) -> None:
    line = f"Steps: 25, CFG scale: 4, Seed: 5, Civitai resources: {resources}"
    read = pnginfo.parse_infotext(f"p\n{line}")
    assert (read["prompt"], read["seed"]) == ("p", 5)
    assert "loras" not in read


def test_the_site_finds_its_json() -> None:
    """By the expression that civitai's reader has for it."""
    text = pnginfo.infotext({**SIMPLE, "loras": [{**INK, "name": "a}], b"}, OIL]})
    found = re.search(r", Civitai resources:\s*(\[\{.*?\}\])", text)
    assert found is not None
    resources = json.loads(found[1])
    assert [entry.get("modelVersionId") for entry in resources] == [1963644, None]
    assert [entry["weight"] for entry in resources] == [0.8, -0.25]


def test_an_independent_reader_understands_the_file() -> None:
    buffer = BytesIO()
    chunks = pnginfo.chunks({**SIMPLE, "loras": [INK, OIL]})
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=chunks)
    with Image.open(buffer) as image:
        read = ParserManager().parse(image)
    assert read is not None
    (sampler,) = read.samplers
    assert [prompt.value for prompt in read.prompts] == [
        "a red circle, (ink style:0.5) <lora:Ink v2:0.8> <lora:oil:-0.25>"
    ]
    assert [prompt.value for prompt in read.negative_prompts] == ["blurry"]
    assert (sampler.name, sampler.parameters["seed"]) == ("Euler a", "7")
    assert (sampler.parameters["steps"], sampler.parameters["cfg_scale"]) == ("20", "3.0")
    assert sampler.model is not None and sampler.model.name == "m"
    assert read.metadata["Size"] == "128x64"
