"""References to LoRAs, in the forms that people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import MalformedReference
from server.loras.references import LoraReference, Number, canonical, name_of, read, read_remote
from server.sources.kinds import Civitai, Hub, Local, Url

VERSION = Civitai(1377820, 1963644)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("1963644", Number(1963644)),
        ("  1963644\n", Number(1963644)),
        ("civitai:1963644", Number(1963644)),
        ("civitai:@1963644", Civitai(version=1963644)),
        ("civitai:1377820@1963644", VERSION),
        ("urn:air:sdxl:lora:civitai:1377820@1963644", VERSION),
        ("air:sdxl:lora:civitai:1377820@1963644", VERSION),
        ("https://civitai.com/models/1377820/some-name?modelVersionId=1963644", VERSION),
        ("https://civitai.com/models/1377820/some-name", Civitai(1377820)),
        ("https://civitai.com/api/download/models/19?token=secret", Civitai(version=19)),
        ("http://mirror.test:8080/models/5?modelVersionId=6&token=secret", Civitai(5, 6)),
        ("org/name", Hub("org/name")),
        ("hf:org/name", Hub("org/name")),
        ("org/name:x.safetensors", Hub("org/name", "x.safetensors")),
        ("org/name:a/b/x y.safetensors", Hub("org/name", "a/b/x y.safetensors")),
        ("org/name@v1:x.safetensors", Hub("org/name", "x.safetensors", "v1")),
        (
            "https://huggingface.co/org/name/blob/main/x.safetensors",
            Hub("org/name", "x.safetensors"),
        ),
        ("https://example.org/x.safetensors", Url("https://example.org/x.safetensors")),
        ("/loras/x.safetensors", Local(Path("/loras/x.safetensors"))),
    ],
)
def test_is_read(text: str, reference: LoraReference) -> None:
    found = read(text, "http://mirror.test:8080")
    assert found == reference
    assert read(canonical(found)) == found, "the job's text means the same"
    assert "secret" not in canonical(found)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "does not say where a LoRA is"),
        ("some words", "does not say where a LoRA is"),
        ("civitai:", "does not say where a LoRA is"),
        ("package:numpy", "does not say where a LoRA is"),
        ("ftp://example.org/x.safetensors", "does not say where a LoRA is"),
        ("https://user:secret@example.org/x.safetensors", "does not say where a LoRA is"),
        ("org/name:../x.safetensors", "does not say where a LoRA is"),
        ("https://example.org/x.ckpt", "pickle"),
        ("org/name:x.pt", "pickle"),
        ("urn:air:sdxl:lora:civitai:1@2.pickletensor", "pickle"),
    ],
)
def test_is_refused_with_what_would_do(text: str, hint: str) -> None:
    with pytest.raises(MalformedReference, match=hint) as caught:
        read(text)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("text", ["/etc/passwd", "./x.safetensors", "~/x.safetensors", "x/../y"])
def test_a_request_names_no_file_of_the_server(text: str) -> None:
    with pytest.raises(MalformedReference):
        read_remote(text)


def test_a_name_tells_addresses_apart_without_their_queries() -> None:
    first, second = (Url(f"https://example.org/get?id={number}&key=k") for number in (1, 2))
    assert name_of(first) != name_of(second)
    assert name_of(first) == name_of(read(canonical(first)))
    assert "key" not in name_of(first).partition("#")[0].partition("?")[2]
    assert name_of(Hub("org/name")) == "hf:org/name"
    mine, other = (
        name_of(Local(Path("/mine/x.safetensors"))),
        name_of(Local(Path("/x.safetensors"))),
    )
    assert mine != other and mine.startswith("file:x.safetensors#")
