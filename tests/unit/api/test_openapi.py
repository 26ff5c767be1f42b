"""The OpenAPI document: complete, valid, and true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from server.api.examples import GUIDE
from server.api.openapi import _add
from tests.families.lora_files import write
from tests.serving import LiveServer, live_server, until

SEED_GUIDE = [
    *("1girl, solo", "1girl, portrait", "fluffy orange cat"),
    *("snow-capped mountains", "coffee shop"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data"), default_model=None) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: LiveServer) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_has_every_native_route(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "GET /api/info", "POST /api/generate", "POST /api/enrich", "GET /api/enrich/styles",
        "GET /api/jobs", "GET /api/jobs/{job_id}",
        "DELETE /api/jobs/{job_id}", "POST /api/jobs/{job_id}/cancel", "GET /api/queue",
        "POST /api/queue/pause", "POST /api/queue/resume", "GET /api/sse/jobs",
        "GET /api/sse/gallery", "GET /api/sse/{job_id}", "GET /api/images",
        "GET /api/images/facets", "GET /api/images/{filename}", "DELETE /api/images/{filename}",
        "GET /api/thumbs/{filename}", "GET /api/models", "GET /api/models/{model}/schema",
        "POST /api/models/{model}/load", "POST /api/models/{model}/unload", "GET /api/loras",
        "POST /api/loras", "POST /api/loras/rescan", "GET /api/loras/{lora}",
        "PATCH /api/loras/{lora}", "DELETE /api/loras/{lora}", "GET /api/loras/{lora}/preview",
        "GET /api/session", "POST /api/session",
            "DELETE /api/session", "GET /api/system", "GET /health", "GET /metrics",
    }  # fmt: skip


def test_describes_every_operation(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Darkroom"
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter)
        assert {tag["name"] for tag in document["tags"]} >= set(operation["tags"])


def test_every_answer_has_a_shape_and_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response"), name
            if status == "204":
                continue
            content = response["content"]
            if status == "default" or int(status) >= 400:
                assert list(content) == ["application/problem+json"], (name, status)
            elif "application/json" in content:
                assert "$ref" in content["application/json"]["schema"], (name, status)


def test_every_path_and_every_body_has_examples_that_fit(document: dict[str, Any]) -> None:
    bodies = []
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                assert [parameter["example"]] == parameter["schema"]["examples"], (name, parameter)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            named = [each["value"] for each in content.get("examples", {}).values()]
            shown = named or content["schema"].get("examples", []) or [content["example"]]
            assert shown, name
            schema = {**content["schema"], "components": document["components"]}
            for example in shown:
                Draft202012Validator(schema).validate(example)
            bodies.append(name)
    assert bodies == [
        "POST /api/generate", "POST /api/enrich", "POST /api/loras", "PATCH /api/loras/{lora}",
        "POST /api/session",
    ]  # fmt: skip


def test_every_operation_says_which_key_it_asks_for(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["x-key"].items() >= {"type": "apiKey", "in": "header", "name": "x-key"}.items()
    assert schemes["bearer"].items() >= {"type": "http", "scheme": "bearer"}.items()
    for place in ("`X-API-Key`", "`Authorization: Basic`", "`?key=`"):
        assert place in schemes["x-key"]["description"]
    asked = {name: operation["security"] for name, operation in operations(document)}
    assert {name for name, either in asked.items() if not either} == {
        *("GET /health", "GET /api/session", "POST /api/session", "DELETE /api/session")
    }
    assert {name for name, either in asked.items() if {} in either} == {
        *("GET /api/images/{filename}", "GET /api/thumbs/{filename}")
    }
    for name, scope in [
        ("POST /api/generate", "generate"), ("GET /api/sse/{job_id}", "read"),
        ("DELETE /api/images/{filename}", "admin"),
    ]:  # fmt: skip
        assert asked[name] == [{"x-key": [scope]}, {"bearer": [scope]}]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert all(schema != {} for schema in schemas.values())
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_the_request_is_one_models_parameters(server: LiveServer, document: dict[str, Any]) -> None:
    body = document["paths"]["/api/generate"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    ids = [model["id"] for model in server.client.get("/api/models").json()["models"]]
    assert [item["$ref"] for item in schema["anyOf"]] == [
        f"#/components/schemas/Params_{model}" for model in ids
    ]
    for model in ids:
        published = server.client.get(f"/api/models/{model}/schema").json()
        component = document["components"]["schemas"][f"Params_{model}"]
        assert component["properties"].keys() == published["properties"].keys()


def examples(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    body = document["paths"]["/api/generate"]["post"]["requestBody"]
    found: dict[str, dict[str, Any]] = body["content"]["application/json"]["examples"]
    assert all(example["summary"] for example in found.values())
    return found


def test_every_example_is_accepted_as_printed(server: LiveServer, document: dict[str, Any]) -> None:
    default = server.client.get("/api/info").json()["model"]
    assert next(iter(examples(document))).startswith(default)
    for name, example in examples(document).items():
        if not example["value"].get("loras"):
            answer = server.client.post("/api/generate?dry_run=true", json=example["value"])
            assert answer.status_code == 200, (name, answer.text)


def test_the_examples_with_a_lora_are_accepted_where_it_is(
    server: LiveServer, document: dict[str, Any]
) -> None:
    bodies = [
        {"model": "sdxl-base", **example["value"]}
        for example in examples(document).values()
        if example["value"].get("loras")
    ]
    assert {body["model"] for body in bodies} == {"sdxl-base", "illustrious-xl"}
    lora = server.service.settings.folders.loras / "civitai_1963644.safetensors"
    write(lora, {"mid_block.attentions.0.transformer_blocks.9.attn2.to_k": (1280, 2048)})
    until(lambda: server.client.get("/api/loras/civitai_1963644").status_code == 200)
    for body in bodies:
        answer = server.client.post("/api/generate?dry_run=true", json=body)
        assert (answer.status_code, answer.json().get("warnings")) == (200, []), answer.text


def test_the_guides_examples_are_there(document: dict[str, Any]) -> None:
    prompts = [body["prompt"] for body in GUIDE.values()]
    assert len(prompts) == len(SEED_GUIDE)
    assert all(part in prompt for part, prompt in zip(SEED_GUIDE, prompts, strict=True))


def test_definitions_move_beside_their_schema() -> None:
    class Inner(BaseModel):
        kind: Literal["inner"]
        again: Inner | None = None

    class Other(BaseModel):
        kind: Literal["other"]

    class Outer(BaseModel):
        things: list[Inner | Other]
        ref: str = "#/$defs"

    components: dict[str, Any] = {}
    Inner.model_rebuild()
    _add(components, "Params_x", Outer.model_json_schema())
    assert set(components) == {"Params_x", "Params_x_Inner", "Params_x_Other"}
    whole = {"$ref": "#/components/schemas/Params_x", "components": {"schemas": components}}
    validator = Draft202012Validator(whole)
    nested = {"kind": "inner", "again": {"kind": "inner", "again": None}}
    assert validator.is_valid({"things": [nested, {"kind": "other"}]})
    assert not validator.is_valid({"things": [{"kind": "third"}]})


def test_docs_are_served_from_here(server: LiveServer, tmp_path: Path) -> None:
    for path in ("/", "/docs", "/redoc", "/docs/errors"):
        page = server.client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "script-src" not in policy
        # Swagger UI and ReDoc have styles in their elements; our own pages have none.
        assert ("unsafe-inline" in policy) == (path in ("/docs", "/redoc"))
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert "<script>" not in page.text
        assert server.client.head(path).status_code == 200
