"""The published schema of each model is one, and says what the server does."""

from __future__ import annotations

from functools import cache

import pytest
from jsonschema import Draft202012Validator

from server.catalog import ModelCatalog
from server.config import Settings
from server.model_files import ModelFiles
from server.plugins.manager import discover
from tests.bodies import accepts, check_agreement
from tests.families.published import MODELS

#: Bodies of each of the two kinds that each family is asked about: by `make test`, by `make soak`.
FEW, MANY = 100, 1000


@cache
def catalog() -> ModelCatalog:
    return ModelCatalog(discover(), ModelFiles(Settings()))


def share(model: str, bodies: int) -> int:
    """How many of its family's bodies fall to this model."""
    family = MODELS[model].family
    return -(-bodies // sum(other.family == family for other in MODELS.values()))


def test_every_model_is_there() -> None:
    found = [pair for pair in catalog().cards() if pair[0].begins_with_words(pair[1])]
    assert {card.id: family.name for family, card in found} == {
        name: model.family for name, model in MODELS.items()
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_schema_is_a_schema_and_its_examples_are_requests(model: str) -> None:
    schema = catalog().schema(model)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False and schema["required"] == ["prompt"]
    assert schema["properties"]["model"]["const"] == model
    assert all(described.get("description") for described in schema["properties"].values())
    assert schema["examples"]
    for body in schema["examples"]:
        Draft202012Validator(schema).validate(body)
        assert catalog().resolve(body, model).warnings == ()


@pytest.mark.parametrize("model", MODELS)
def test_every_default_is_a_value_that_may_be_sent(model: str) -> None:
    schema = catalog().schema(model)
    defaults = {
        word: described["default"]
        for word, described in schema["properties"].items()
        if "default" in described
    }
    assert {"steps", "width", "height", "seed", "num_images", "sampler"} <= set(defaults)
    body = {"prompt": "red", **defaults}
    Draft202012Validator(schema).validate(body)
    assert accepts(catalog(), body, model)


@pytest.mark.parametrize("model", MODELS)
def test_the_schema_and_the_server_agree(model: str) -> None:
    check_agreement(catalog(), model, share(model, FEW))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_they_agree_over_many_bodies(model: str) -> None:
    check_agreement(catalog(), model, share(model, MANY))
