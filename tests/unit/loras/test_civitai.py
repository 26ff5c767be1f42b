"""Civitai's JSON of a version."""

from __future__ import annotations

from typing import Any

import pytest

from server.loras.civitai import version_facts
from server.loras.facts import Facts

VERSION: dict[str, Any] = {
    "id": 1963644,
    "modelId": 1377820,
    "name": "v2.0",
    "air": "urn:air:sdxl:lora:civitai:1377820@1963644",
    "baseModel": "Illustrious",
    "nsfwLevel": 0,
    "trainedWords": ["inkwash, brush", "Brush "],
    "model": {
        "name": "Ink",
        "type": "LORA",
        "allowNoCredit": False,
        "allowCommercialUse": ["Image", "Rent"],
        "allowDerivatives": True,
    },
    "images": [
        {"meta": {"prompt": "a lake"}},
        {"meta": None},
        {"meta": {"meta": {"prompt": "a hill"}}},
        {"meta": {"prompt": "a lake"}},
    ],
}


def test_a_whole_version() -> None:
    assert version_facts(VERSION) == Facts(
        name="Ink",
        title="Ink – v2.0",
        trigger_words=("inkwash", "brush"),
        base_model="Illustrious",
        model_id=1377820,
        version_id=1963644,
        license={
            "allowNoCredit": False,
            "allowCommercialUse": ["Image", "Rent"],
            "allowDerivatives": True,
        },
        nsfw_level=0,
        source="urn:air:sdxl:lora:civitai:1377820@1963644",
        example_prompts=("a lake", "a hill"),
    )


def test_without_its_urn_a_reference_is_made_of_the_numbers() -> None:
    assert version_facts({"id": 5, "modelId": 4}).source == "civitai:4@5"
    assert version_facts({"id": 5}).source == "civitai:@5"
    assert version_facts({"modelId": 4}).source is None


@pytest.mark.parametrize(
    "version",
    [
        None,
        [],
        "text",
        dict.fromkeys(VERSION, 1.5),
        {name: [[]] for name in VERSION},
        {name: {"name": {}} for name in VERSION},
        {"id": -1, "modelId": True, "nsfwLevel": -5, "images": [None, 3, {"meta": []}]},
    ],
)
def test_nonsense_says_nothing(version: Any) -> None:
    assert version_facts(version) == Facts()
