"""Writing prompts out over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.enrichment.styles import STYLES
from server.enrichment.templates import expand
from server.enrichment.wish import MAX_LENGTH
from tests.fake_http import answer
from tests.fake_language_model import NAME, PATH, FakeLanguageModel
from tests.serving import LiveServer, conform, live_server, problem


@pytest.mark.parametrize("style", STYLES)
def test_a_prompt_is_written_out_in_every_style(server: LiveServer, style: str) -> None:
    body = {"prompt": "a castle on a hill", "style": style}
    first = server.client.post("/api/enrich", json=body)
    assert first.status_code == 200
    conform(server, "EnrichedPrompt", first.json())
    assert first.json() == {
        "original_prompt": "a castle on a hill",
        "enriched_prompt": expand("a castle on a hill", STYLES[style], MAX_LENGTH),
        "style": style,
        "source": "template",
        "warning": None,
    }
    assert server.client.post("/api/enrich", json=body).json() == first.json()


def test_what_was_written_out_can_be_generated_with(server: LiveServer) -> None:
    written = server.client.post("/api/enrich", json={"prompt": "a red house"}).json()
    assert written["style"] == "enhance"
    job = server.made(written["enriched_prompt"])
    assert job["status"] == "completed"
    shown = server.client.get(f"/api/jobs/{job['job_id']}").json()
    assert shown["params"]["prompt"] == written["enriched_prompt"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["prompt"]),
        ({"prompt": ""}, ["prompt"]),
        ({"prompt": "  "}, ["prompt"]),
        ({"prompt": "x" * 2001}, ["prompt"]),
        ({"prompt": 1}, ["prompt"]),
        ({"prompt": "x", "style": "baroque"}, ["style"]),
        ({"prompt": "x", "style": None}, ["style"]),
        ({"prompt": "x", "steps": 4}, ["steps"]),
    ],
)
def test_what_cannot_be_written_out(
    server: LiveServer, body: dict[str, Any], loc: list[str]
) -> None:
    refused = problem(server.client.post("/api/enrich", json=body), 422, "invalid_parameters")
    assert [error["loc"] for error in refused["errors"]] == [loc]


def test_an_unknown_style_names_the_known_ones(server: LiveServer) -> None:
    answered = server.client.post("/api/enrich", json={"prompt": "x", "style": "baroque"})
    detail = problem(answered, 422, "invalid_parameters")["detail"]
    assert "cyberpunk, anime, realistic, fantasy, sci-fi, enhance" in detail


def test_bodies_that_are_no_json_object(server: LiveServer) -> None:
    post = server.client.post
    problem(post("/api/enrich", content=b"{"), 400, "malformed_request")
    problem(post("/api/enrich", json=["a castle"]), 400, "malformed_request")
    half = post("/api/enrich", content=rb'{"prompt": "\ud800"}')
    problem(half, 400, "malformed_request")
    plain = post("/api/enrich", content=b"{}", headers={"Content-Type": "text/plain"})
    problem(plain, 415, "unsupported_media_type")
    problem(server.client.get("/api/enrich"), 405, "method_not_allowed")


def test_the_styles_are_listed_with_examples(server: LiveServer) -> None:
    answered = server.client.get("/api/enrich/styles")
    assert answered.status_code == 200
    conform(server, "StyleList", answered.json())
    styles = answered.json()["styles"]
    assert [style["name"] for style in styles] == [*STYLES]
    for style in styles:
        body = {"prompt": "a castle on a hill", "style": style["name"]}
        written = server.client.post("/api/enrich", json=body).json()
        assert style["example"] == written["enriched_prompt"]


def test_the_documentation_has_the_styles_and_an_example(server: LiveServer) -> None:
    document = server.client.get("/openapi.json").json()
    body = document["paths"]["/api/enrich"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["properties"]["style"]["enum"] == [*STYLES]
    (example,) = schema["examples"]
    written = server.client.post("/api/enrich", json=example)
    assert written.status_code == 200
    assert written.json()["style"] == "fantasy"


def test_a_configured_language_model_writes_until_it_fails(tmp_path: Path) -> None:
    with FakeLanguageModel("a castle at dusk") as model:
        model.faults[PATH] = [answer(200, b'{"choices": []}'), answer(503)]
        with live_server(tmp_path, enrich=model.entry()) as server:
            body = {"prompt": "a castle", "style": "anime"}
            answers = [server.client.post("/api/enrich", json=body) for _ in range(3)]
            for each in answers:
                conform(server, "EnrichedPrompt", each.json())
    assert [each.status_code for each in answers] == [200, 200, 200]
    malformed, unavailable, written = (each.json() for each in answers)
    assert "malformed" in malformed["warning"] and "503" in unavailable["warning"]
    assert malformed["source"] == unavailable["source"] == "template"
    assert malformed["enriched_prompt"] == expand("a castle", STYLES["anime"], MAX_LENGTH)
    assert (written["enriched_prompt"], written["source"]) == ("a castle at dusk", NAME)
    assert written["warning"] is None
