"""From the LoRAs of a request to a job that has everything: ids, weights, the encoded prompt."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from server.catalog import ModelCatalog, Resolved
from server.config import Settings
from server.generation import LoraParams, LoraRef
from server.lora_choices import LoraChoices
from server.lora_requests import LoraRequests
from server.model_files import ModelFiles
from server.plugins.manager import discover
from tests.unit.lora_records import Shelf, record

INK = record("civitai_1", "ink", name="Ink", trigger_words=("ink style", "brush"))
OIL = record("local_0123456789ab", "oil", weight=0.7, trigger_weight=1.0, trigger_words=("oil",))
PLAIN = record("civitai_3", "plain")
LIGHT = record("civitai_4", "light", family="flux", trigger_words=("soft (light)",))
SHELF = Shelf([INK, OIL, PLAIN, LIGHT])


@cache
def catalog() -> ModelCatalog:
    return ModelCatalog(discover(), ModelFiles(Settings()))


def complete(
    prompt: str, *loras: dict[str, Any], model: str = "sdxl-base", **words: Any
) -> Resolved:
    given = {"loras": list(loras)} if loras else {}
    return resolve({"prompt": prompt, **given, **words}, model)


def resolve(body: dict[str, Any], model: str) -> Resolved:
    requests = LoraRequests(LoraChoices(catalog(), SHELF), 8)
    return requests.complete(catalog().resolve(body, model))


def params(resolved: Resolved) -> LoraParams:
    assert isinstance(resolved.params, LoraParams)
    return resolved.params


def weights(resolved: Resolved) -> list[tuple[str, float | None, float | None]]:
    return [(ref.id, ref.weight, ref.trigger_weight) for ref in params(resolved).loras]


def test_a_request_without_loras_stays_as_it_is() -> None:
    resolved = complete(" a (cat, ")
    assert (params(resolved).loras, params(resolved).encoded_prompt) == ([], None)
    assert resolved.warnings == ()


def test_weights_are_those_asked_for_else_recommended_else_common() -> None:
    resolved = complete("x", {"id": "civitai_1"}, {"id": OIL.id}, {"id": PLAIN.id, "weight": -2})
    assert weights(resolved) == [("civitai_1", 1, 0.5), (OIL.id, 0.7, 1), (PLAIN.id, -2, 0.5)]
    asked = complete("x", {"id": OIL.id, "weight": 0.1, "trigger_weight": 0, "matched": 3})
    assert weights(asked) == [(OIL.id, 0.1, 0)]


def test_a_lora_is_told_by_its_id_file_and_hash_whatever_the_request_says() -> None:
    words = {"matched": 1, "total": 2, "text_encoder": True, "name": "x", "autov3": "y"}
    (ref,) = params(complete("x", {"id": "ink.safetensors", **words})).loras
    assert ref == LoraRef(
        id="civitai_1", weight=1, trigger_weight=0.5, name="ink", autov3=INK.autov3
    )


def test_a_sent_encoded_prompt_is_not_believed() -> None:
    assert params(complete("a cat", encoded_prompt="a dog")).encoded_prompt is None
    resolved = complete("a cat", {"id": PLAIN.id}, encoded_prompt="a dog")
    assert params(resolved).encoded_prompt == "a cat"


def test_trigger_words_are_added_with_their_weight_in_the_order_of_the_loras() -> None:
    resolved = complete("a cat", {"id": OIL.id}, {"id": INK.id})
    assert params(resolved).prompt == "a cat"
    assert params(resolved).encoded_prompt == "a cat, oil, (ink style:0.5), (brush:0.5)"
    assert params(resolved).text == params(resolved).encoded_prompt
    assert resolved.warnings == ()


def test_trigger_words_in_the_prompt_or_of_weight_zero_are_not_added() -> None:
    resolved = complete("an INK_style, oil", {"id": INK.id}, {"id": OIL.id})
    assert params(resolved).encoded_prompt == "an INK_style, oil, (brush:0.5)"
    resolved = complete("a cat", {"id": INK.id, "trigger_weight": 0})
    assert params(resolved).encoded_prompt == "a cat"


def test_a_lora_of_weight_zero_has_no_effect_and_no_words() -> None:
    resolved = complete("a cat", {"id": INK.id, "weight": 0, "trigger_weight": 1})
    assert params(resolved).encoded_prompt == "a cat"
    assert weights(resolved) == [("civitai_1", 0, 1)]
    (warning,) = resolved.warnings
    assert "civitai_1 (Ink) has weight 0" in warning and "trigger words" in warning


def test_other_models_get_plain_words_and_say_so() -> None:
    resolved = complete("a (cat", {"id": LIGHT.id}, model="flux-dev")
    assert params(resolved).encoded_prompt == "soft (light), a (cat"
    assert resolved.warnings == (
        "This model's prompts have no weights: trigger words were added as plain words "
        "(soft (light)).",
    )
    for trigger_weight, encoded in ((1, "soft (light), a cat"), (0, "a cat")):
        lora = {"id": LIGHT.id, "trigger_weight": trigger_weight}
        exact = complete("a cat", lora, model="flux-dev")
        assert (params(exact).encoded_prompt, exact.warnings) == (encoded, ())


# Tags.


def test_a_tag_in_the_prompt_names_a_lora() -> None:
    resolved = complete("a <lora:ink:0.8> cat, <lora:oil.safetensors>, tree")
    assert weights(resolved) == [("civitai_1", 0.8, 0.5), (OIL.id, 0.7, 1)]
    assert params(resolved).prompt == "a <lora:ink:0.8> cat, <lora:oil.safetensors>, tree"
    encoded = "a cat, tree, (ink style:0.5), (brush:0.5), oil"
    assert params(resolved).encoded_prompt == encoded


def test_the_third_number_of_a_tag_is_the_trigger_weight() -> None:
    resolved = complete("cat <lora:ink: -0.5 :1>", {"id": PLAIN.id})
    assert weights(resolved) == [(PLAIN.id, 1, 0.5), ("civitai_1", -0.5, 1)]
    assert params(resolved).encoded_prompt == "cat, ink style, brush"


def test_a_prompt_of_tags_alone_is_encoded_empty() -> None:
    assert params(complete("<lora:plain:1>")).encoded_prompt == ""
    assert params(complete("<lora:plain:1>")).text == ""


def test_a_recipe_can_be_sent_again() -> None:
    first = complete("a cat <lora:ink:0.8:1>", {"id": "oil"})
    again = resolve(params(first).model_dump(mode="json"), "sdxl-base")
    assert again.warnings == ()
    assert params(again).loras == params(first).loras
    assert params(again).encoded_prompt == params(first).encoded_prompt


def test_of_a_tag_and_the_list_the_list_counts() -> None:
    resolved = complete("a <lora:ink:0.8> cat", {"id": "civitai_1", "weight": 0.3})
    assert weights(resolved) == [("civitai_1", 0.3, 0.5)]
    assert resolved.warnings == (
        "<lora:ink:0.8> was not read: `loras` names civitai_1 too, and that counts.",
    )
    assert complete("a <lora:ink> cat", {"id": "civitai_1", "weight": 0.3}).warnings == ()


def test_tags_leave_the_negative_prompt_with_a_warning() -> None:
    resolved = complete("cat", negative_prompt="bad, <lora:no such:9>, worse")
    assert resolved.params.model_dump()["negative_prompt"] == "bad, worse"
    assert (params(resolved).loras, params(resolved).encoded_prompt) == ([], None)
    (warning,) = resolved.warnings
    assert warning.startswith("<lora:no such:9> was taken out of `negative_prompt`")


@pytest.mark.parametrize(
    ("model", "way"), [("flux-dev", "name LoRAs in `loras`"), ("chroma-hd", "it takes no LoRAs")]
)
def test_other_models_read_tags_as_words_and_say_so(model: str, way: str) -> None:
    resolved = complete("a <lora:ink:0.8> cat", model=model)
    assert (resolved.params.text, resolved.params.prompt) == ("a <lora:ink:0.8> cat",) * 2
    assert resolved.warnings == (f"{model} reads `<lora:…>` in a prompt as words: {way}.",)
