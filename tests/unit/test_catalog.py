"""From a request to complete parameters; the published schema and the validation agree."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server.catalog import ModelCatalog
from server.config import Settings
from server.errors import ConfigurationError, InvalidParameters, ModelLoadFailed, ModelNotFound
from server.model_files import ModelFiles
from server.plugins.manager import discover
from server.wording import summary
from tests.bodies import check_agreement
from tests.support import PLUGINS

FILES = ModelFiles(Settings())

#: A bundled model that makes no images from words.
UPSCALER = "lanczos"


@cache
def catalog() -> ModelCatalog:
    return ModelCatalog(discover(PLUGINS), FILES)


def bundled() -> str:
    return next(
        card.id
        for family, card in catalog().cards()
        if card.bundled and family.begins_with_words(card)
    )


def refusal(body: dict[str, Any], current: str = "colours") -> list[dict[str, Any]]:
    with pytest.raises(InvalidParameters) as caught:
        catalog().resolve(body, current)
    return caught.value.errors


def test_the_default_is_the_first_bundled_card_unless_configured() -> None:
    assert catalog().default == bundled()
    plugins = discover(PLUGINS)
    assert ModelCatalog(plugins, FILES, "colors").default == "colours"
    with pytest.raises(ConfigurationError, match=r"default_model.*did you mean `colours`"):
        ModelCatalog(plugins, FILES, "colour")


def test_a_model_that_needs_an_image_is_never_the_default() -> None:
    first = next(card for _, card in catalog().cards() if card.bundled)
    assert first.id == UPSCALER != catalog().default, "it would be, but for what it needs"
    with pytest.raises(ConfigurationError, match="lanczos makes no images from words alone"):
        ModelCatalog(discover(PLUGINS), FILES, UPSCALER)


def test_a_model_is_found_by_id_and_alias_and_the_nearest_is_suggested() -> None:
    assert catalog().find("colors")[1].id == "colours"
    with pytest.raises(ModelNotFound, match="did you mean `colours`"):
        catalog().find("colurs")


def test_the_current_model_takes_requests_that_name_none() -> None:
    assert catalog().resolve({"prompt": "red"}, "colours").card.id == "colours"
    named = catalog().resolve({"prompt": "red", "model": "colours-four-step"}, "colours")
    assert named.card.id == "colours-four-step"


def test_defaults_fill_in_what_the_request_leaves_out() -> None:
    params = catalog().resolve({"prompt": "red", "width": 128}, "colours").params
    assert (params.width, params.height, params.num_images, params.seed) == (128, 64, 1, None)


def test_a_fixed_value_cannot_be_changed_but_may_be_named() -> None:
    body = {"prompt": "red", "model": "colours-four-step"}
    assert catalog().resolve(body, "colours").params.steps == 4
    assert catalog().resolve({**body, "steps": 4.0}, "colours").params.steps == 4
    assert refusal({**body, "steps": 5}) == [
        {"loc": ["steps"], "msg": "this model always uses 4", "type": "const"}
    ]


def test_diffusers_names_are_accepted() -> None:
    params = catalog().resolve({"prompt": "red", "num_inference_steps": 7}, "colours").params
    assert params.steps == 7
    both = {"prompt": "red", "num_inference_steps": 7, "steps": 7}
    assert refusal(both)[0]["type"] == "duplicate_parameter"


def test_words_of_other_models_are_named_in_warnings() -> None:
    resolved = catalog().resolve({"prompt": "red", "clip_skip": 2, "loras": []}, "colours")
    assert resolved.warnings == (
        "`clip_skip` is not used by colours and was ignored.",
        "`loras` is not used by colours and was ignored.",
    )


def test_words_that_nobody_knows_are_refused_with_the_nearest() -> None:
    (problem,) = refusal({"prompt": "red", "stepz": 3})
    assert problem["loc"] == ["stepz"] and "did you mean `steps`" in problem["msg"]
    assert problem["type"] == "extra_forbidden"
    (problem,) = refusal({"prompt": "red", "cfg": 3})
    assert "did you mean `cfg_scale`" in problem["msg"]
    (problem,) = refusal({"prompt": "red", "guidance": 3})
    assert "did you mean `cfg_scale`" in problem["msg"]
    (problem,) = refusal({"prompt": "red", "guidance": 3}, "flux-schnell")
    assert "did you mean" not in problem["msg"], "it has no guidance"


def test_a_strength_without_an_image_is_warned_of() -> None:
    body = {"prompt": "red", "strength": 0.5}
    warning = "`strength` is only used with `init_image`."
    assert catalog().resolve(body, "colours").warnings == (warning,)
    assert catalog().resolve({**body, "init_image": None}, "colours").warnings == ()  # a recipe
    image = {"init_image": f"input:{'0' * 64}"}
    assert catalog().resolve({**body, **image, "steps": 9}, "colours").warnings == ()
    assert catalog().resolve(body, "flux-2-klein-4b").warnings == (
        "`strength` is not used by flux-2-klein-4b and was ignored.",
    )


def test_problems_of_the_whole_request_are_told_without_a_place() -> None:
    problems = [{"loc": [], "msg": "no"}, {"loc": ["more", 0], "msg": "bad"}]
    assert summary(problems) == "no; more.0: bad"


def test_names_of_any_length_are_looked_up_at_once() -> None:
    with pytest.raises(ModelNotFound) as caught:
        catalog().find("colours" * 1_000_000)
    assert len(caught.value.message) < 1000 and "did you mean" not in caught.value.message
    (problem,) = refusal({"prompt": "red", "step" * 1_000_000: 3})
    assert len(str(problem)) < 300


def test_loras_are_refused_where_none_are_supported() -> None:
    (problem,) = refusal({"prompt": "red", "loras": [{"id": "civitai_1"}]})
    assert problem["loc"] == ["loras"] and "does not support LoRAs" in problem["msg"]


def test_every_problem_is_told_at_once() -> None:
    problems = refusal({"width": 65, "steps": 0, "prmpt": "red"})
    assert {problem["loc"][0] for problem in problems} == {"width", "steps", "prompt", "prmpt"}


@pytest.mark.parametrize("model", [None, 3, ["colours"], "no such model"])
def test_a_model_that_is_none_is_a_problem_of_that_field(model: Any) -> None:
    assert refusal({"prompt": "red", "model": model})[0]["loc"] == ["model"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nowhere/at/all", "not where the card says"),
        ("package:no_such_package/x", "not installed"),
        ("somebody/something", "darkroom models pull postcard"),
        ("/a/model.ckpt", "safetensors"),
    ],
)
def test_weights_that_are_not_there_are_told(tmp_path: Path, source: str, says: str) -> None:
    family, card = catalog().find(bundled())
    assert Path(catalog().weights(card)["path"]).is_dir()
    with pytest.raises(ModelLoadFailed, match=says):
        ModelFiles(Settings(data=tmp_path)).find(family, replace(card, source=source))


MODELS = ["colours", "colours-four-step", bundled(), UPSCALER]


@pytest.mark.parametrize("model", MODELS)
def test_the_schema_is_a_schema(model: str) -> None:
    schema = catalog().schema(model)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    needs = "init_image" if model == UPSCALER else "prompt"
    assert schema["additionalProperties"] is False and schema["required"] == [needs]
    assert schema["properties"]["model"]["const"] == model


def test_sizes_that_a_family_is_good_at_are_published() -> None:
    catalog = ModelCatalog(discover(), FILES)
    for family, card in catalog.cards():
        published = catalog.schema(card.id).get("x-aspect-ratios", {})
        assert published == {name: list(size) for name, size in family.aspect_ratios.items()}
        schema = Draft202012Validator(catalog.schema(card.id))
        for width, height in published.values():
            schema.validate({"prompt": "red", "width": width, "height": height})
    assert catalog.schema("sdxl-base")["x-aspect-ratios"]["1:1"] == [1024, 1024]


@pytest.mark.parametrize("model", MODELS)
def test_the_schema_and_the_server_agree(model: str) -> None:
    check_agreement(catalog(), model, 300)
