"""From words to references and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import MalformedReference
from server.source_errors import SourceMissing, UnsafeFile
from server.sources.kinds import Civitai, Hub, Local, Package, Reference, Url
from server.sources.references import local_path, parse
from server.wording import shown

AIR = "urn:air:sdxl:checkpoint:civitai"

READ: list[tuple[str, Reference]] = [
    ("package:server/migrations", Package("server", "migrations")),
    ("package:server", Package("server")),
    ("/models/x", Local(Path("/models/x"))),
    ("~/x.safetensors", Local(Path.home() / "x.safetensors")),
    ("./x", Local(Path.cwd() / "x")),
    ("x.gguf", Local(Path.cwd() / "x.gguf")),
    ("folder/x.safetensors", Local(Path.cwd() / "folder/x.safetensors")),
    ("hf:org/x.safetensors", Hub("org/x.safetensors")),
    ("org/name/x.safetensors", Hub("org/name", "x.safetensors")),
    ("org/name", Hub("org/name")),
    ("hf:org/name", Hub("org/name")),
    ("org/name@main", Hub("org/name")),
    ("org/name@refs/pr/3", Hub("org/name", revision="refs/pr/3")),
    ("org/name/a b.safetensors", Hub("org/name", "a b.safetensors")),
    ("hf:org/FLUX.1-dev/vae@v1", Hub("org/FLUX.1-dev", "vae", "v1")),
    ("civitai:123", Civitai(123)),
    ("civitai:123@456", Civitai(123, 456)),
    ("civitai:@456+7", Civitai(None, 456, 7)),
    ("civitai:1@2?token=secret&format=GGUF", Civitai(1, 2, None, (("format", "GGUF"),))),
    (f"{AIR}:827184@2514310", Civitai(827184, 2514310)),
    ("air:sdxl:lora:civitai:1", Civitai(1)),
    ("sdxl:lora:civitai:1@2+3", Civitai(1, 2, 3)),
    ("URN:AIR:sdxl:lora:CivitAI:1@2", Civitai(1, 2)),
    (f"{AIR}:1@2.safetensor", Civitai(1, 2, None, (("format", "SafeTensor"),))),
    (f"{AIR}:1@2.gguf", Civitai(1, 2, None, (("format", "GGUF"),))),
    ("urn:air:flux1:checkpoint:huggingface:org/FLUX.1-dev@v1", Hub("org/FLUX.1-dev", "", "v1")),
    ("https://civitai.com/models/123", Civitai(123)),
    ("https://civitai.com/models/123/a-name?modelVersionId=456", Civitai(123, 456)),
    ("https://civitai.com/api/download/models/456?token=secret", Civitai(None, 456)),
    (
        "https://www.civitai.com/api/download/models/4?fp=fp16&type=Model",
        Civitai(None, 4, None, (("type", "Model"), ("fp", "fp16"))),
    ),
    ("https://huggingface.co/org/name", Hub("org/name")),
    ("https://huggingface.co/org/name/tree/v1/vae", Hub("org/name", "vae", "v1")),
    (
        "https://huggingface.co/org/name/resolve/main/a/b.safetensors?download=true",
        Hub("org/name", "a/b.safetensors"),
    ),
    ("https://Example.org/x.safetensors#top", Url("https://example.org/x.safetensors")),
]


@pytest.mark.parametrize(("text", "reference"), READ)
def test_every_form_is_read_and_has_one_canonical_text(text: str, reference: Reference) -> None:
    assert parse(text) == reference
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "org/name/../x",
        "org/name@../../x",
        "org/name/",
        "package:",
        "package:server/../x",
        "civitai:",
        "civitai:abc",
        f"civitai:{'9' * 5000}",
        f"{AIR}-r2:1@2",
        f"{AIR}:1@2.onnx",
        "urn:air:sdxl:checkpoint",
        "https://civitai.com/user/somebody",
        "https://civitai.com/models/1?modelVersionId=x",
        "https://huggingface.co/datasets/org/name/tree/main",
        "https://user:password@example.org/x.safetensors",
        "https://example.org:port/x.safetensors",
        "ftp://example.org/x.safetensors",
        "~nobody-has-this-name/x",
        "org/name\n",
    ],
)
def test_what_has_no_form_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(MalformedReference, match="org/name") as caught:
        parse(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "text",
    [
        "/models/x.ckpt",
        "x/y/pytorch_model.bin",
        "hf:org/name/x.PT",
        "https://example.org/x.pth?a=b",
        f"{AIR}:1@2.ckpt",
    ],
)
def test_pickles_are_refused_at_once(text: str) -> None:
    with pytest.raises(UnsafeFile, match=r"\.safetensors"):
        parse(text)


def _chosen(**words: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((word, value) for word, value in words.items() if value is not None)


NUMBERS = st.integers(0, 10**12)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ +-]{0,9}", fullmatch=True), max_size=3)
VALUES = st.none() | st.text("aB1 &=?+%é", min_size=1, max_size=5)
REFERENCES = st.one_of(
    st.builds(
        lambda org, name, path, revision: Hub(f"{org}/{name}", "/".join(path), revision),
        NAMES,
        NAMES,
        PATHS,
        st.none() | NAMES.filter(lambda name: name != "main"),
    ),
    st.builds(Civitai, NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS),
    st.builds(
        lambda number, kind, fp: Civitai(None, number, None, _chosen(format=kind, fp=fp)),
        NUMBERS,
        VALUES,
        VALUES,
    ),
    st.builds(lambda path: Local(Path("/", *path)), PATHS),
    st.builds(lambda name, path: Package(name, "/".join(path)), st.just("a.b_c"), PATHS),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(REFERENCES)
def test_the_canonical_text_of_any_reference_reads_as_it(reference: Reference) -> None:
    assert parse(str(reference)) == reference


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text() | st.text("aA1:/@+?=&.~-% ", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = parse(text)
    except (MalformedReference, UnsafeFile):
        return
    assert parse(str(reference)) == reference


def test_packages_are_located() -> None:
    assert local_path(Package("server", "migrations")).is_dir()
    with pytest.raises(SourceMissing, match="not installed"):
        local_path(Package("no_such_package"))


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@example.org/x.safetensors",
        "https://user:hunt/er2@example.org/x.safetensors?a=b",
        "HTTPS:/user:hunter2@example.org/x.safetensors",
        "https://example.org:port/x.safetensors?sig=hunter2",
        "//hunter2@example.org/x.safetensors\n",
        "civitai:1@?token=hunter2",
    ],
)
def test_no_secret_of_a_refused_reference_is_shown(text: str) -> None:
    with pytest.raises(MalformedReference) as caught:
        parse(text)
    assert "hunt" not in caught.value.message and "er2" not in caught.value.message


def test_what_is_no_secret_is_shown() -> None:
    assert shown("org/name@v1") == "org/name@v1"
    assert shown("https://example.org/x.gguf?sig=a") == "https://example.org/x.gguf?…"
