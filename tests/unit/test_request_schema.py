"""What a schema says of LoRAs is what requests may have."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from server.catalog import ModelCatalog
from server.config import Settings
from server.errors import InvalidParameters
from server.generation import LoraParams
from server.lora_choices import LoraChoices
from server.lora_requests import LoraRequests
from server.model_files import ModelFiles
from server.plugins.manager import discover
from tests.bodies import QUICK, bodies
from tests.unit.lora_records import Shelf, record

LIMIT = 3
SHELF = Shelf(
    [
        record("civitai_1", "ink", trigger_words=("ink style",)),
        record("civitai_2", "oil", weight=-0.5),
        record("local_0123456789ab", "pen", network_type="dora"),
        record("civitai_3", "oft", family=None, unsupported="It is an OFT."),
        record("civitai_4", "light", family="flux"),
    ]
)
IDS = {"sdxl-base": ["civitai_1", "civitai_2", "local_0123456789ab"], "flux-dev": ["civitai_4"]}


@cache
def catalog() -> ModelCatalog:
    found = ModelCatalog(discover(), ModelFiles(Settings()))
    found.offer_loras(LoraChoices(found, SHELF).ids, LIMIT)
    return found


def accepts(body: dict[str, Any], model: str) -> bool:
    """Whether a server with these LoRAs takes this body."""
    requests = LoraRequests(LoraChoices(catalog(), SHELF), LIMIT)
    try:
        requests.complete(catalog().resolve(body, model))
    except InvalidParameters:
        return False
    return True


@pytest.mark.parametrize("model", ["sdxl-base", "flux-dev", "sd-3.5-large"])
def test_it_names_the_loras_of_the_model(model: str) -> None:
    schema = catalog().schema(model)
    Draft202012Validator.check_schema(schema)
    loras = schema["properties"]["loras"]
    assert loras["items"]["properties"]["id"].get("enum", []) == IDS.get(model, [])
    assert loras["maxItems"] == (LIMIT if model in IDS else 0)
    assert loras["default"] == []


def test_a_lasting_schema_names_none() -> None:
    loras = catalog().schema("sdxl-base", lasting=True)["properties"]["loras"]
    assert "enum" not in loras["items"]["properties"]["id"]
    assert loras["maxItems"] == LIMIT


@pytest.mark.parametrize("model", IDS)
def test_what_it_accepts_is_accepted(model: str) -> None:
    schema = catalog().schema(model)
    judge = Draft202012Validator(schema)
    seen: set[str] = set()

    @settings(QUICK, max_examples=150)
    @given(body=bodies(schema))
    def accepted(body: dict[str, Any]) -> None:
        assert judge.is_valid(body) and accepts(body, model)
        seen.update(lora["id"] for lora in body.get("loras", []))

    accepted()
    assert seen == set(IDS[model])


@pytest.mark.parametrize(
    "loras",
    [
        [{"id": "civitai_3"}],
        [{"id": "civitai_4"}],
        [{"id": ""}],
        [{}],
        ["civitai_1"],
        [{"id": "civitai_1", "weight": 2.1}],
        [{"id": "civitai_1", "weight": True}],
        [{"id": "civitai_1", "trigger_weight": -0.1}],
        [{"id": "civitai_1", "strength": 1}],
        [{"id": name} for name in ("civitai_1", "civitai_2", "civitai_3", "civitai_4")],
        None,
    ],
)
def test_what_it_rejects_is_rejected(loras: Any) -> None:
    body = {"prompt": "cat", "loras": loras}
    assert not Draft202012Validator(catalog().schema("sdxl-base")).is_valid(body)
    assert not accepts(body, "sdxl-base")


def test_other_names_of_a_lora_are_accepted_too() -> None:
    body = {"prompt": "cat", "loras": [{"id": "ink.safetensors"}]}
    resolved = catalog().resolve(body, "sdxl-base")
    completed = LoraRequests(LoraChoices(catalog(), SHELF), LIMIT).complete(resolved)
    assert isinstance(completed.params, LoraParams)
    assert [lora.id for lora in completed.params.loras] == ["civitai_1"]
