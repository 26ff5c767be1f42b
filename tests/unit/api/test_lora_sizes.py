"""Models of one family that differ in size, or hold their weights in fewer bits: which LoRAs they
are offered, and which they refuse over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.model_entry import ModelEntry
from tests.families.lora_files import write
from tests.serving import LiveServer, live_server, problem, until

#: Models of the configuration: of another's size, of a size that nobody said, and quantized.
MODELS = [
    {"id": "my-klein", "like": "flux-2-klein-9b", "source": "/w/klein"},
    {"id": "some-klein", "family": "flux2", "source": "/w/klein"},
    {"id": "sdxl-8bit", "like": "sdxl-base", "quantization": "int8-torchao"},
]

#: Files by name: of FLUX.2 klein 4B and 9B, Stable Diffusion 3.5 medium and large, and of a toy.
FILES = {
    "klein 4": {"single_transformer_blocks.0.attn.to_out": (3072, 12288)},
    "klein 9": {"single_transformer_blocks.0.attn.to_out": (4096, 16384)},
    "klein toy": {"single_transformer_blocks.0.attn.to_out": (32, 128)},
    "medium": {"transformer_blocks.0.attn.to_q": (1536, 1536)},
    "large": {"transformer_blocks.0.attn.to_q": (2432, 2432)},
}
KLEIN_4, KLEIN_9 = ["klein 4", "klein toy"], ["klein 9", "klein toy"]


def loha_with_lengths(path: Path) -> None:
    """Write a LoHa for SDXL as LyCORIS does with `dora_wd`: new lengths stand beside it."""
    shapes = {"hada_w1_a": (1280, 1), "hada_w1_b": (1, 2048), "dora_scale": (1280, 1)}
    shapes |= {"hada_w2_a": (1280, 1), "hada_w2_b": (1, 2048), "alpha": ()}
    module = "lora_unet_mid_block_attentions_0_transformer_blocks_9_attn2_to_k"
    save_file({f"{module}.{name}": np.ones(shape) for name, shape in shapes.items()}, path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Nothing is generated on it: the queue is paused."""
    data = tmp_path_factory.mktemp("data")
    loras = data / "loras"
    loras.mkdir()
    for name, modules in FILES.items():
        write(loras / f"{name}.safetensors", modules, rank=1, dtype="float16")
    loha_with_lengths(loras / "loha.safetensors")
    models = [ModelEntry.model_validate(words) for words in MODELS]
    with live_server(data, models=models, on_start="pause") as running:
        until(lambda: running.client.get("/api/loras").json()["total"] == 8)
        yield running


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("flux-2-klein-4b", KLEIN_4),
        ("flux-2-klein-9b", KLEIN_9),
        ("my-klein", KLEIN_9),
        ("some-klein", [*KLEIN_4[:1], *KLEIN_9]),
        ("sd-3.5-medium", ["medium"]),
        ("sd-3.5-large", ["large"]),
        ("sd-3.5-large-turbo", ["large"]),
        ("sdxl-base", ["loha"]),
        ("sdxl-8bit", []),
    ],
)
def test_a_model_is_offered_what_it_can_use(
    server: LiveServer, model: str, names: list[str]
) -> None:
    info = server.client.get("/api/info", params={"model": model}).json()
    assert [lora["name"] for lora in info["loras"]] == names
    assert info["available_loras"] == info["loras"]
    ids = info["parameter_schema"]["properties"]["loras"]["items"]["properties"]["id"].get("enum")
    assert (ids or []) == [lora["id"] for lora in info["loras"]]


@pytest.mark.parametrize(
    ("model", "name", "kind", "text"),
    [
        (
            "flux-2-klein-4b",
            "klein 9",
            "lora_wrong_size",
            "It works with flux-2-klein-9b, my-klein",
        ),
        ("flux-2-klein-9b", "klein 4", "lora_wrong_size", "It works with flux-2-klein-4b, some-kl"),
        ("my-klein", "klein 4", "lora_wrong_size", "for a model of another size than my-klein. "),
        ("sd-3.5-large-turbo", "medium", "lora_wrong_size", "It works with sd-3.5-medium. "),
        ("sd-3.5-medium", "large", "lora_wrong_size", "It works with sd-3.5-large, sd-3.5-large-t"),
        ("sdxl-8bit", "loha", "lora_unsupported", "are quantized (int8-torchao). It works with sd"),
    ],
)
def test_what_it_cannot_use_is_refused_before_it_is_queued(
    server: LiveServer, model: str, name: str, kind: str, text: str
) -> None:
    body = {"prompt": "a cat", "model": model, "loras": [{"id": name}]}
    refused = problem(server.client.post("/api/generate", json=body), 422, "invalid_parameters")
    (error,) = refused["errors"]
    assert (error["loc"], error["type"]) == (["loras", 0, "id"], kind)
    assert text in error["msg"]
    assert server.client.get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("model", "name"),
    [("flux-2-klein-4b", "klein toy"), ("some-klein", "klein 9"), ("sdxl-base", "loha")],
)
def test_what_may_fit_is_taken(server: LiveServer, model: str, name: str) -> None:
    body = {"prompt": "a cat", "model": model, "loras": [{"id": name}]}
    answer = server.client.post("/api/generate", params={"dry_run": "true"}, json=body)
    assert answer.status_code == 200, answer.text
    assert [lora["name"] for lora in answer.json()["params"]["loras"]] == [name]
