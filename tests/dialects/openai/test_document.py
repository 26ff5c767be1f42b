"""What the reference prints is answered as printed, on the main port and on the API's own."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.dialects.openai import document
from tests.dialects.openai.asking import (
    EDITS,
    GENERATIONS,
    answered,
    coloured,
    data_uri,
    events,
    made,
    opened,
    pictures,
)
from tests.plugins_collage.collage import GREY
from tests.serving import LiveServer

#: The nearest to what the requests ask for that the model takes.
SIZE = (256, 256)


def same_shape(found: Any, printed: Any) -> bool:
    """Whether every word that is printed is there, with a value of its kind."""
    if isinstance(printed, dict):
        return isinstance(found, dict) and all(
            word in found and same_shape(found[word], value) for word, value in printed.items()
        )
    if isinstance(printed, list):
        return isinstance(found, list) and all(same_shape(item, printed[0]) for item in found)
    return type(found) is type(printed)


def test_create_image(client: httpx.Client) -> None:
    began = int(time.time())
    found = answered(client.post(GENERATIONS, json=document.REQUEST))
    assert same_shape(found, document.RESPONSE), found
    assert began - 1 <= found["created"] <= time.time() + 1
    assert (found["output_format"], found["background"]) == ("png", "opaque")
    assert found["size"] == "256x256", "what was made, not what was asked for"
    [image] = pictures(found)
    assert (image.format, image.size, image.getpixel((0, 0))) == ("PNG", SIZE, GREY)


def test_create_image_streaming(client: httpx.Client) -> None:
    told = events(client, GENERATIONS, json=document.STREAMED)
    [(name, completed)] = told
    assert name == completed["type"] == document.COMPLETED["type"]
    assert completed.keys() == document.COMPLETED.keys()
    assert same_shape(completed, document.COMPLETED)
    assert opened(completed["b64_json"]).size == SIZE


def test_create_image_edit(client: httpx.Client) -> None:
    colours = ["red", "lime", "blue", "white"]
    files = [("image[]", (f"{name}.png", coloured(name))) for name in colours]
    found = answered(client.post(EDITS, data=document.EDIT, files=files))
    assert same_shape(found, document.RESPONSE), found
    [image] = pictures(found)
    stripes = [image.getpixel((image.width * place // 8, 0)) for place in (1, 3, 5, 7)]
    assert stripes == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def test_create_image_edit_as_json(client: httpx.Client) -> None:
    images = [{"image_url": data_uri(coloured("red"))}]
    found = answered(client.post(EDITS, json={**document.JSON_EDIT, "images": images}))
    assert same_shape(found, document.RESPONSE), found
    assert pictures(found)[0].getpixel((0, 0)) == (255, 0, 0)


def test_models(client: httpx.Client) -> None:
    listed = answered(client.get("/v1/models"))
    assert listed["object"] == "list"
    assert all(model.keys() == document.MODEL.keys() for model in listed["data"])
    assert same_shape(listed["data"], [document.MODEL])
    names = [model["id"] for model in listed["data"]]
    assert names[:2] == ["gpt-image-1", "dall-e-3"], "the configuration's names first"
    assert {"collage", "colours", "slow"} <= {*names}
    assert len({*names}) == len(names)
    assert answered(client.get("/v1/models/gpt-image-1")) == listed["data"][0]


@pytest.mark.parametrize("program", document.OTHERS)
def test_what_other_programs_send(server: LiveServer, program: str) -> None:
    body = document.OTHERS[program]
    found = answered(server.client.post(GENERATIONS, json=body))
    images = pictures(found)
    assert len(images) == body["n"]
    assert {image.getpixel((0, 0)) for image in images} == {(0, 128, 128)}


def test_addresses_lead_to_the_images_on_both_ports(
    client: httpx.Client, server: LiveServer, own: httpx.Client
) -> None:
    found = made(client, response_format="url", n=2)
    urls = [httpx.URL(item["url"]) for item in found["data"]]
    assert [(url.host, url.port) for url in urls] == 2 * [
        (client.base_url.host, client.base_url.port)
    ]
    for url in urls:
        for each in (server.client, own):
            answer = each.get(url.path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
            assert opened(answer.content).getpixel((0, 0)) == (0, 128, 128)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats(server: LiveServer, kind: str) -> None:
    inline = made(server.client, output_format=kind, output_compression=40)
    assert inline["output_format"] == kind
    [image] = pictures(inline)
    assert image.format == kind.upper()
    found = made(server.client, output_format=kind, output_compression=40, response_format="url")
    url = found["data"][0]["url"]
    answer = server.client.get(url)
    assert answer.headers["content-type"] == f"image/{kind}"
    assert opened(answer.content).format == kind.upper()
    again = server.client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_compression_makes_files_smaller(server: LiveServer) -> None:
    asked = {"model": "dall-e-3", "size": "256x256", "output_format": "jpeg", "seed": 5}
    rough, fine = (made(server.client, **asked, output_compression=each) for each in (5, 95))
    assert len(rough["data"][0]["b64_json"]) < len(fine["data"][0]["b64_json"])


def test_our_own_words_work_as_extras(server: LiveServer) -> None:
    asked = {"model": "dall-e-3", "prompt": "a red boat", "unknown": {"to": "everybody"}}
    own_words = {"seed": 7, "steps": 3, "cfg_scale": 2.5, "negative_prompt": "fog"}
    made(server.client, **asked, **own_words, sampler="ddim")
    job_id = server.client.get("/api/jobs").json()["jobs"][0]["job_id"]
    params = server.client.get(f"/api/jobs/{job_id}").json()["params"]
    assert {word: params[word] for word in own_words} == own_words
    assert params["sampler"] == "ddim"
    made(server.client, **asked, num_inference_steps=9000, guidance_scale=0, seed=-1)
    job_id = server.client.get("/api/jobs").json()["jobs"][0]["job_id"]
    params = server.client.get(f"/api/jobs/{job_id}").json()["params"]
    assert (params["steps"], params["cfg_scale"]) == (150, 1), "bent to what the model takes"
    assert params["seed"] >= 0


def test_its_documents_describe_its_routes(server: LiveServer, own: httpx.Client) -> None:
    main = server.client.get("/openapi/openai.json").json()
    assert [*main["paths"]] == [
        GENERATIONS,
        EDITS,
        "/v1/images/files/{name}",
        "/v1/models",
        "/v1/models/{model}",
    ]
    assert own.get("/openapi.json").json()["paths"] == main["paths"]
    bodies = main["paths"][EDITS]["post"]["requestBody"]["content"]
    assert bodies.keys() == {"multipart/form-data", "application/json"}
    asked = main["paths"][GENERATIONS]["post"]["requestBody"]["content"]["application/json"]
    assert asked["example"] == document.REQUEST
    assert asked["schema"]["properties"]["n"]["anyOf"][0] == {
        "minimum": 1,
        "maximum": 10,
        "type": "integer",
    }


def test_documented_bodies_work_as_they_stand(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    if EDITS not in described:  # the main port has the native API's there
        described = client.get("/openapi/openai.json").json()["paths"]
    bodies = described[EDITS]["post"]["requestBody"]["content"]
    as_json = answered(client.post(EDITS, json=bodies["application/json"]["example"]))
    form = bodies["multipart/form-data"]["example"]
    as_form = answered(client.post(EDITS, files={name: (None, form[name]) for name in form}))
    for found in (as_json, as_form):
        assert pictures(found)[0].getpixel((0, 0)) == GREY
