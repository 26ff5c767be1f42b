"""What the server says about itself."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from tests.serving import LiveServer, conform, problem


def test_describes_the_current_model(server: LiveServer) -> None:
    info = server.client.get("/api/info").json()
    assert list(info) == [
        "name", "version", "model", "model_name", "training_resolution", "output_format",
        "parameter_schema", "capabilities", "loras", "available_loras", "models", "plugins",
    ]  # fmt: skip
    assert (info["model"], info["model_name"]) == ("colours", "Colours")
    assert (info["training_resolution"], info["output_format"]) == (64, "png")
    assert info["capabilities"] == ["image_to_image", "negative_prompt"]
    assert info["loras"] == info["available_loras"] == []
    conform(server, "Info", info)


def test_publishes_a_closed_schema_with_an_optional_model(server: LiveServer) -> None:
    schema = server.client.get("/api/info").json()["parameter_schema"]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert schema["properties"]["model"]["const"] == "colours"
    assert schema["required"] == ["prompt"]


def test_names_models_and_plugins(server: LiveServer) -> None:
    info = server.client.get("/api/info").json()
    models = {model["id"]: model for model in info["models"]}
    assert models["colours"]["parameter_schema_url"] == "/api/models/colours/schema"
    assert models["colours"]["family"] == "colours"
    plugins = {plugin["name"]: plugin for plugin in info["plugins"]}
    assert plugins["colours"] == {
        "name": "colours", "version": "1.2.3", "ok": True, "error": None, "warnings": [],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["colours-four-step", "colors"])
def test_describes_another_model_by_id_or_alias(server: LiveServer, name: str) -> None:
    info = server.client.get("/api/info", params={"model": name}).json()
    url = f"/api/models/{name}/schema"
    assert info["model"] == {"colors": "colours"}.get(name, name)
    assert server.client.get(url).json() == info["parameter_schema"]


def test_knows_no_other_model(server: LiveServer) -> None:
    answer = server.client.get("/api/info?model=colour")
    assert "`colours`" in problem(answer, 404, "model_not_found")["detail"]
