"""Which quantizations are refused, and why."""

from __future__ import annotations

import pytest

from server import quantization
from server.quantization import CHOICES, file_kind, missing_package, refusal

OFFLOADS = ("none", "model", "group", "sequential")
DEVICES = ("cuda", "cuda:1", "xpu", "mps", "cpu")

#: Quantization, offload mode, device, and a word of the reason.
IMPOSSIBLE = [
    *[(way, mode, "cpu", "GPUs only") for way in ("nf4", "int8") for mode in OFFLOADS],
    *[("fp8", mode, "mps", "Apple") for mode in OFFLOADS],
    *[("nf4", "sequential", device, "once more") for device in DEVICES if device != "cpu"],
    *[("gguf", "sequential", device, "forget") for device in DEVICES],
]
ALL = [
    (way, mode, device)
    for way in (None, *CHOICES, "gguf")
    for mode in OFFLOADS
    for device in DEVICES
]


@pytest.mark.parametrize(("way", "mode", "device", "why"), IMPOSSIBLE)
def test_what_is_impossible_is_refused_with_the_reason(
    way: str, mode: str, device: str, why: str
) -> None:
    reason = refusal(way, offload=mode, device=device)
    assert reason is not None
    assert way in reason
    assert why in reason


def test_nothing_else_is_refused() -> None:
    impossible = {case[:3] for case in IMPOSSIBLE}
    refused = {case for case in ALL if refusal(case[0], offload=case[1], device=case[2])}
    assert refused == impossible


def test_an_unknown_quantization_is_refused_with_those_that_there_are() -> None:
    reason = refusal("int3", device="cuda")
    assert reason == ("There is no quantization `int3`; there are nf4, int8, int8-torchao, fp8.")


def test_a_missing_package_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda _name: None)
    assert missing_package("fp8") == (
        "Quantization `fp8` needs the package torchao. "
        "Install it with `pip install 'darkroom[torchao]'`."
    )


def test_an_installed_package_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: name)
    assert missing_package("nf4") is None


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("/a/x.gguf", "gguf"),
        ("org/a/x.gguf@main", "gguf"),
        ("https://example.org/x.GGUF?download=true", "gguf"),
        ("x.gguf.safetensors", "safetensors"),
        ("org/gguf", None),
        ("urn:air:flux1:checkpoint:civitai:1@2", None),
    ],
)
def test_a_sources_name_tells_the_kind_of_its_file(source: str, kind: str | None) -> None:
    assert file_kind(source) == kind
