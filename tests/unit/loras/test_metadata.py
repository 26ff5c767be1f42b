"""Metadata of trainers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from server.loras.facts import Facts, merged
from server.loras.metadata import metadata_facts


def test_modelspec_stands_above_kohya() -> None:
    modelspec, kohya, suggestion = metadata_facts(
        {
            "modelspec.title": "Ink wash",
            "modelspec.trigger_phrase": "inkwash, on paper",
            "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
            "modelspec.license": "Apache-2.0",
            "ss_output_name": "inkwash_v3",
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_network_alpha": "16.0",
            "ss_tag_frequency": json.dumps({"10_ink": {"brush": 40, "1girl": 40, "cat": 2}}),
        }
    )
    assert modelspec == Facts(
        name="Ink wash",
        title="Ink wash",
        trigger_words=("inkwash", "on paper"),
        base_model="stable-diffusion-xl-v1-base/lora",
        license={"license": "Apache-2.0"},
    )
    assert (kohya.name, kohya.base_model, kohya.alpha) == ("inkwash_v3", "sdxl_base_v1-0", 16.0)
    assert suggestion.trigger_words == ("brush",), "of what all images have; people are no word"
    assert merged([modelspec, kohya, suggestion]).trigger_words == ("inkwash", "on paper")


def test_a_suggestion_counts_images_where_their_number_is_told() -> None:
    tags = {"1_a": {"rare": 9, "often": 19}, "1_b": {"often": 1}}
    told = {"ss_tag_frequency": json.dumps(tags)}
    folders = {"1_a": {"n_repeats": 1, "img_count": 19}, "1_b": {"img_count": 1}}
    counted = {**told, "ss_dataset_dirs": json.dumps(folders)}
    assert metadata_facts(counted)[2].trigger_words == ("often",)
    many = {**told, "ss_dataset_dirs": json.dumps({"1_a": {"img_count": 500}})}
    assert metadata_facts(many)[2].trigger_words is None


def test_alpha_of_peft() -> None:
    config = {"transformer.r": 16, "transformer.lora_alpha": 32}
    assert metadata_facts({"lora_adapter_metadata": json.dumps(config)})[1].alpha == 32.0


@pytest.mark.parametrize(
    "metadata",
    [
        {"ss_tag_frequency": "{"},
        {"ss_tag_frequency": "[" * 100_000},
        {"ss_tag_frequency": '{"a": ["b"], "c": {"d": "many", "e": -3}}'},
        {"ss_dataset_dirs": "[1]", "ss_tag_frequency": "7"},
        {"lora_adapter_metadata": '{"lora_alpha": "NaN"}', "ss_network_alpha": "None"},
        {"ss_output_name": "None", "ss_base_model_version": "", "modelspec.title": "\n"},
    ],
)
def test_nonsense_says_nothing(metadata: Mapping[str, str]) -> None:
    assert merged(metadata_facts(metadata)) == Facts()
