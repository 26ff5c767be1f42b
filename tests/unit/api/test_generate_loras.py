"""Requests with LoRAs over HTTP: what is planned, what is queued, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.families.lora_files import write
from tests.serving import LiveServer, live_server, problem, until

SDXL = {"mid_block.attentions.0.transformer_blocks.9.attn2.to_k": (1280, 2048)}
FLUX = {
    "transformer_blocks.0.attn.to_q": (3072, 3072),
    "single_transformer_blocks.0.proj_mlp": (12288, 3072),
}

#: The API guide's request with a LoRA.
BODY: dict[str, Any] = {
    "prompt": "masterpiece, best quality, 1girl, portrait, looking at viewer",
    "negative_prompt": "worst quality, low quality",
    "loras": [{"id": "civitai_1963644", "weight": 0.8, "trigger_weight": 0.5}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Nothing is generated on it: the queue is paused."""
    data = tmp_path_factory.mktemp("data")
    loras = data / "loras"
    loras.mkdir()
    write(loras / "civitai_1963644.safetensors", SDXL, "kohya", dtype="float16", alpha=4)
    words = {"activation text": "ink style, Portrait", "preferred weight": 0.6}
    (loras / "civitai_1963644.json").write_text(json.dumps(words))
    write(loras / "light.safetensors", FLUX, dtype="float16")
    write(loras / "tensors of nothing.safetensors", {"nobody.knows": (8, 8)})
    settings = {"default_model": "sdxl-base", "on_start": "pause", "max_loras": 2}
    with live_server(data, **settings) as running:
        until(lambda: len(all_loras(running)) == 5)
        yield running


def all_loras(server: LiveServer) -> dict[str, dict[str, Any]]:
    """All, those that came with a model included, by name."""
    return {lora["name"]: lora for lora in server.client.get("/api/loras").json()["loras"]}


def plan(server: LiveServer, body: dict[str, Any]) -> Any:
    return server.client.post("/api/generate", params={"dry_run": "true"}, json=body)


def test_the_guides_request_is_completed(server: LiveServer) -> None:
    answer = plan(server, BODY)
    assert answer.status_code == 200, answer.text
    planned = answer.json()
    assert planned["warnings"] == []
    assert planned["params"]["prompt"] == BODY["prompt"]
    assert planned["params"]["encoded_prompt"] == f"{BODY['prompt']}, (ink style:0.5)"
    (lora,) = planned["params"]["loras"]
    assert lora["id"] == "civitai_1963644"
    assert (lora["weight"], lora["trigger_weight"]) == (0.8, 0.5)
    assert (lora["name"], len(lora["autov3"])) == ("civitai_1963644", 64)
    assert (lora["matched"], lora["total"]) == (None, None), "nothing was applied yet"


def test_a_tag_in_the_prompt_takes_the_recommended_weight(server: LiveServer) -> None:
    planned = plan(server, {"prompt": "a cat <lora:civitai_1963644.safetensors>"}).json()
    (lora,) = planned["params"]["loras"]
    assert (lora["id"], lora["weight"]) == ("civitai_1963644", 0.6)
    assert planned["params"]["encoded_prompt"] == "a cat, (ink style:0.5), (Portrait:0.5)"


@pytest.mark.parametrize(
    ("loras", "kind", "place", "text"),
    [
        (["nobody"], "lora_not_found", 0, "LoRAs for sdxl-base: civitai_1963644"),
        (["light"], "lora_wrong_family", 0, "It works with flux-dev"),
        (["tensors of nothing"], "lora_unsupported", 0, "cannot be used"),
        (["civitai_1963644", "civitai_1963644.safetensors"], "lora_duplicate", 1, "already"),
        (["a", "b", "c"], "too_many_loras", 2, "a request may have 2 LoRAs (`max_loras`)"),
    ],
)
def test_what_cannot_be_had_is_refused_before_it_is_queued(
    server: LiveServer, loras: list[str], kind: str, place: int, text: str
) -> None:
    body = {"prompt": "a cat", "loras": [{"id": name} for name in loras]}
    answer = server.client.post("/api/generate", json=body)
    refused = problem(answer, 422, "invalid_parameters")
    assert plan(server, body).json() == refused
    (error,) = refused["errors"]
    assert (error["loc"], error["type"]) == (["loras", place, "id"], kind)
    assert text in error["msg"] and error["msg"] in refused["detail"]
    assert server.client.get("/api/jobs").json()["jobs"] == []


def test_a_weight_out_of_range_is_told_with_its_place(server: LiveServer) -> None:
    body = {**BODY, "loras": [{"id": "civitai_1963644", "weight": 2.5}]}
    refused = problem(plan(server, body), 422, "invalid_parameters")
    assert [error["loc"] for error in refused["errors"]] == [["loras", 0, "weight"]]


def test_a_model_without_loras_refuses_them(server: LiveServer) -> None:
    refused = problem(plan(server, {**BODY, "model": "chroma-hd"}), 422, "invalid_parameters")
    assert [error["type"] for error in refused["errors"]] == ["loras_unsupported"]
    assert "sdxl-base" in refused["detail"]


def test_the_schema_names_the_loras_that_the_model_can_use(server: LiveServer) -> None:
    schemas = {
        model: server.client.get("/api/info", params={"model": model}).json()["parameter_schema"]
        for model in ("sdxl-base", "flux-dev", "sd-3.5-large")
    }
    ids = {
        model: schema["properties"]["loras"]["items"]["properties"]["id"].get("enum")
        for model, schema in schemas.items()
    }
    most = {model: schema["properties"]["loras"]["maxItems"] for model, schema in schemas.items()}
    light = all_loras(server)["light"]["id"]
    assert ids == {"sdxl-base": ["civitai_1963644"], "flux-dev": [light], "sd-3.5-large": None}
    assert most == {"sdxl-base": 2, "flux-dev": 2, "sd-3.5-large": 0}
    judge = Draft202012Validator(schemas["sdxl-base"])
    assert judge.is_valid(BODY)
    assert not judge.is_valid({**BODY, "loras": [{"id": light}]})
    assert all(judge.is_valid(body) for body in schemas["sdxl-base"]["examples"])


def test_a_queued_job_is_complete_and_its_recipe_can_be_sent_again(server: LiveServer) -> None:
    neon = all_loras(server)["Neon"]
    body = {"prompt": "a city", "model": "postcard", "loras": [{"id": "neon"}]}
    headers = {"Idempotency-Key": "once"}
    answers = [server.client.post("/api/generate", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    first, again = (answer.json() for answer in answers)
    assert first["job_id"] == again["job_id"]
    assert first["warnings"] == again["warnings"]
    params = server.snapshot(first["job_id"])["params"]
    (lora,) = params["loras"]
    assert lora["id"] == neon["id"]
    assert lora["weight"] == (1.0 if neon["weight"] is None else neon["weight"])
    sent = plan(server, {**params, "model": "postcard"}).json()["params"]
    assert (sent["loras"], sent["encoded_prompt"]) == (params["loras"], params["encoded_prompt"])
    assert server.client.delete(f"/api/jobs/{first['job_id']}").status_code == 204


def test_a_name_alone_is_told_how_to_be_written(server: LiveServer) -> None:
    answer = plan(server, {"prompt": "a cat", "loras": ["civitai_1963644"]})
    found = problem(answer, 422, "invalid_parameters")["errors"]
    assert [(item["loc"], item["msg"]) for item in found] == [
        (["loras", 0], 'must be a JSON object, {"id": "name"} say')
    ]
