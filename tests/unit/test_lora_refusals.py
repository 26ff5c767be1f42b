"""LoRAs that a request cannot have: each refusal says which, why, and what would work."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from server.catalog import ModelCatalog
from server.config import Settings
from server.errors import InvalidParameters
from server.generation import MAX_ENCODED_PROMPT
from server.lora_choices import LoraChoices
from server.lora_requests import LoraRequests
from server.model_entry import ModelEntry
from server.model_files import ModelFiles
from server.plugins.manager import discover
from tests.unit.lora_records import Shelf, record

INK = record("civitai_1", "ink", name="Ink")
OIL = record("civitai_2", "oil")
TWIN = record("civitai_3", "oil")
DORA = record("civitai_4", "dora", network_type="dora")
LIGHT = record("civitai_5", "light", family="flux")
OFT = record("civitai_6", "oft", family=None, unsupported="It is of the network type OFT.")
STRANGE = record("civitai_7", "strange", family=None)
LONG = record("civitai_8", "long", trigger_words=("w" * MAX_ENCODED_PROMPT,))
GONE = record("civitai_9", "gone", family="of-another-plugin")
MANY = [record(f"civitai_{number}", f"style {number}") for number in range(100, 120)]
SHELF = Shelf([INK, OIL, TWIN, DORA, LIGHT, OFT, STRANGE, LONG, GONE, *MANY])

QUANTIZED = {"sdxl-8bit": {"quantization": "int8-torchao"}, "sdxl-gguf": {"source": "w.gguf"}}


@cache
def catalog() -> ModelCatalog:
    entries = [
        ModelEntry.model_validate({"id": name, "like": "sdxl-base", **words})
        for name, words in QUANTIZED.items()
    ]
    return ModelCatalog(discover(None, entries), ModelFiles(Settings()))


def refused(
    *names: str, prompt: str = "cat", model: str = "sdxl-base", limit: int = 8
) -> list[dict[str, Any]]:
    """The problems of a request with these LoRAs."""
    body = {"prompt": prompt, "loras": [{"id": name} for name in names]}
    requests = LoraRequests(LoraChoices(catalog(), SHELF), limit)
    with pytest.raises(InvalidParameters) as caught:
        requests.complete(catalog().resolve(body, model))
    return caught.value.errors


def test_an_unknown_lora_is_named_with_those_that_could_be_meant() -> None:
    (problem,) = refused("inc")
    assert (problem["loc"], problem["type"]) == (["loras", 0, "id"], "lora_not_found")
    assert "There is no LoRA 'inc'." in problem["msg"]
    assert "LoRAs for sdxl-base: civitai_1 (Ink), " in problem["msg"], "the nearest first"
    assert problem["msg"].count("civitai_") == 5, "a handful"


def test_a_model_without_loras_here_says_so() -> None:
    (problem,) = refused("ink", model="sd-3.5-large")
    assert problem["msg"].endswith("There is no LoRA for sd-3.5-large here.")


def test_a_name_of_several_loras_is_not_found() -> None:
    (problem,) = refused("civitai_1", "oil")
    assert (problem["loc"], problem["type"]) == (["loras", 1, "id"], "lora_not_found")
    assert "civitai_2 and civitai_3" in problem["msg"]


def test_a_lora_of_another_family_is_told_with_the_models_it_is_for() -> None:
    (problem,) = refused("light")
    assert (problem["loc"], problem["type"]) == (["loras", 0, "id"], "lora_wrong_family")
    assert problem["msg"].startswith(
        "civitai_5 (light) is not for sdxl-base. It works with flux-dev, flux-schnell, "
    )
    assert "LoRAs for sdxl-base: " in problem["msg"]
    (problem,) = refused("gone")
    assert "models of the family 'of-another-plugin'; there is none here" in problem["msg"]


def test_an_unsupported_lora_is_refused_with_the_reason() -> None:
    unsupported, strange = refused("oft", "strange")
    assert (unsupported["type"], strange["type"]) == ("lora_unsupported",) * 2
    assert unsupported["loc"] == ["loras", 0, "id"] and strange["loc"] == ["loras", 1, "id"]
    assert "civitai_6 (oft) cannot be used. It is of the network type OFT." in unsupported["msg"]
    assert "No family of models here recognises it." in strange["msg"]


@pytest.mark.parametrize(("model", "way"), [("sdxl-8bit", "int8-torchao"), ("sdxl-gguf", "gguf")])
def test_a_dora_is_refused_on_quantized_weights(model: str, way: str) -> None:
    (problem,) = refused("dora", model=model)
    assert (problem["loc"], problem["type"]) == (["loras", 0, "id"], "lora_unsupported")
    assert f"{model} are quantized ({way})" in problem["msg"]
    assert "It works with sdxl-base, illustrious-xl. " in problem["msg"]
    assert f"LoRAs for {model}: " in problem["msg"]
    assert "dora" not in problem["msg"].partition("LoRAs for")[2], "none that would be refused"


@pytest.mark.parametrize("model", [*QUANTIZED, "sdxl-base"])
def test_other_loras_work_on_quantized_weights(model: str) -> None:
    family, card = catalog().find(model)
    choices = LoraChoices(catalog(), SHELF)
    assert choices.choose("ink", family, card) == INK
    assert ("civitai_4" in choices.ids(family, card)) == (model == "sdxl-base")


def test_a_lora_under_two_names_is_a_duplicate() -> None:
    (problem,) = refused("civitai_1", "light.safetensors", "ink", model="sdxl-base")[1:]
    assert (problem["loc"], problem["type"]) == (["loras", 2, "id"], "lora_duplicate")
    assert problem["msg"] == "ink is civitai_1 (Ink), which this request names already"


def test_there_is_a_limit() -> None:
    (problem,) = refused("civitai_1", "civitai_2", "no such", limit=2)
    assert (problem["loc"], problem["type"]) == (["loras", 2, "id"], "too_many_loras")
    assert problem["msg"] == "a request may have 2 LoRAs (`max_loras`)"


def test_every_lora_at_fault_is_told() -> None:
    problems = refused("no such", "light", "ink", "oft")
    assert [problem["loc"][1] for problem in problems] == [0, 1, 3]


def test_trigger_words_cannot_make_a_prompt_of_any_length() -> None:
    (problem,) = refused("long")
    assert (problem["loc"], problem["type"]) == (["loras"], "string_too_long")
    assert "set `trigger_weight` to 0" in problem["msg"]


@pytest.mark.parametrize(
    ("prompt", "kind", "text"),
    [
        ("<lora:no such>", "lora_not_found", "There is no LoRA 'no such'"),
        ("<lora:light:1>", "lora_wrong_family", "It works with flux-dev"),
        ("<lora:oft>", "lora_unsupported", "network type OFT"),
        ("<lora:ink:1> <lora:civitai_1:1>", "lora_duplicate", "names already"),
        ("<lora:ink:much>", "lora_tag", "<lora:ink:much>: weight is a decimal number, not 'much'"),
        ("<lora:ink:nan>", "lora_tag", "weight is a decimal number"),
        ("<lora:ink:>", "lora_tag", "weight is a decimal number, not ''"),
        ("<lora:ink:1:te=1>", "lora_tag", "trigger_weight is a decimal number, not 'te=1'"),
        ("<lora:ink:2.5>", "lora_tag", "weight: Input should be less than or equal to 2"),
        ("<lora:ink:1:-1>", "lora_tag", "trigger_weight: Input should be greater"),
        ("<lora:ink:1:1:1>", "lora_tag", "write <lora:NAME:WEIGHT>"),
        ("<lora::1>", "lora_tag", "id: String should have at least 1 character"),
        ("<lora:ink> <lora:civitai_2> <lora:civitai_3>", "too_many_loras", "may have 2 LoRAs"),
    ],
)
def test_tags_are_refused_for_the_same_reasons(prompt: str, kind: str, text: str) -> None:
    (problem,) = refused(prompt=prompt, limit=2)
    assert (problem["loc"], problem["type"]) == (["prompt"], kind)
    assert text in problem["msg"]


def test_the_list_and_tags_share_the_limit() -> None:
    (problem,) = refused("ink", "civitai_2", prompt="cat <lora:civitai_3>", limit=2)
    assert (problem["loc"], problem["type"]) == (["prompt"], "too_many_loras")


def test_models_without_support_name_those_that_have_it() -> None:
    with pytest.raises(InvalidParameters) as caught:
        catalog().resolve({"prompt": "cat", "loras": [{"id": "ink"}]}, "chroma-hd")
    (problem,) = caught.value.errors
    assert (problem["loc"], problem["type"]) == (["loras"], "loras_unsupported")
    assert "chroma-hd does not support LoRAs" in problem["msg"]
    assert "Models that do: " in problem["msg"] and "sdxl-base" in problem["msg"]
    assert "chroma-base" not in problem["msg"]
