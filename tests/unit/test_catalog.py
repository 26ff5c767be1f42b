"""From a request to complete parameters; the published schema and the validation agree."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from server.catalog import ModelCatalog
from server.errors import ConfigurationError, InvalidParameters, ModelLoadFailed, ModelNotFound
from server.plugins.manager import discover
from tests.support import PLUGINS


@cache
def catalog() -> ModelCatalog:
    return ModelCatalog(discover(PLUGINS))


def bundled() -> str:
    return next(card.id for _, card in catalog().cards() if card.bundled)


def refusal(body: dict[str, Any], current: str = "colours") -> list[dict[str, Any]]:
    with pytest.raises(InvalidParameters) as caught:
        catalog().resolve(body, current)
    return caught.value.errors


def test_the_default_is_the_first_bundled_card_unless_configured() -> None:
    assert catalog().default == bundled()
    plugins = discover(PLUGINS)
    assert ModelCatalog(plugins, "colors").default == "colours"
    with pytest.raises(ConfigurationError, match=r"default_model.*did you mean `colours`"):
        ModelCatalog(plugins, "colour")


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


def test_loras_are_refused_where_none_are_supported() -> None:
    (problem,) = refusal({"prompt": "red", "loras": [{"id": "civitai_1"}]})
    assert problem["loc"] == ["loras"] and "does not support LoRAs" in problem["msg"]


def test_every_problem_is_told_at_once() -> None:
    problems = refusal({"width": 65, "steps": 0, "prmpt": "red"})
    assert {problem["loc"][0] for problem in problems} == {"width", "steps", "prompt", "prmpt"}


@pytest.mark.parametrize("model", [None, 3, ["colours"], "no such model"])
def test_a_model_that_is_none_is_a_problem_of_that_field(model: Any) -> None:
    assert refusal({"prompt": "red", "model": model})[0]["loc"] == ["model"]


def test_weights_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, card = catalog().find(bundled())
    assert catalog().weights(card).is_dir()
    monkeypatch.setattr("server.catalog.locate", _missing)
    with pytest.raises(ModelLoadFailed, match="not where"):
        catalog().weights(card)


def _missing(source: str) -> None:
    from server.sources.references import SourceMissing

    raise SourceMissing("The weights are not where the card says")


MODELS = ["colours", "colours-four-step", bundled()]
QUICK = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 70).map(lambda value: value * 16)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(1, 60).map(float)
    | st.text(max_size=5)
    | st.sampled_from(["euler", "512", "true", ""]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one per type
    """Values that the schema of one word accepts."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(option) for option in schema["anyOf"]])
    if schema["type"] == "integer":
        step = schema.get("multipleOf", 1)
        low, high = -(-schema["minimum"] // step), schema["maximum"] // step
        return st.integers(low, high).map(lambda value: value * step)
    if schema["type"] == "number":
        return st.floats(schema["minimum"], schema["maximum"])
    if schema["type"] == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=20)
    assert schema["type"] == "null"
    return st.none()


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that the schema of a model accepts."""
    words = {word: values(described) for word, described in schema["properties"].items()}
    required = {word: words.pop(word) for word in schema["required"]}
    return st.fixed_dictionaries(required, optional=words)


def accepts(body: dict[str, Any], model: str) -> bool:
    try:
        catalog().resolve(body, model)
    except InvalidParameters:
        return False
    return True


@pytest.mark.parametrize("model", MODELS)
def test_the_schema_is_a_schema(model: str) -> None:
    schema = catalog().schema(model)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False and schema["required"] == ["prompt"]
    assert schema["properties"]["model"]["const"] == model


@pytest.mark.parametrize("model", MODELS)
def test_what_the_schema_accepts_the_server_accepts(model: str) -> None:
    schema = catalog().schema(model)
    judge = Draft202012Validator(schema)

    @QUICK
    @given(body=bodies(schema))
    def check(body: dict[str, Any]) -> None:
        assert judge.is_valid(body) and accepts(body, model)

    check()


@pytest.mark.parametrize("model", MODELS)
def test_one_changed_word_is_judged_alike(model: str) -> None:
    schema = catalog().schema(model)
    judge = Draft202012Validator(schema)
    words = sorted(set(schema["properties"]) - {"model"})

    @settings(QUICK, max_examples=300)
    @given(word=st.sampled_from(words), value=ANY_JSON)
    def check(word: str, value: Any) -> None:
        body = {"prompt": "red", word: value}
        assert accepts(body, model) == judge.is_valid(body)

    check()
