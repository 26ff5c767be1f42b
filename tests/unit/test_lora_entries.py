"""`[[loras]]` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.config import load_settings
from server.errors import ConfigurationError
from server.lora_entry import LoraEntry
from server.loras.configured import Origin, configured
from server.loras.references import Number
from server.sources.kinds import Local


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "darkroom.toml"
    path.write_text(text)
    return path


def test_are_read_with_paths_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "plain.safetensors").touch()
    path = settings_file(
        tmp_path,
        """
        [[loras]]
        ref = "1963644"
        triggers = ["inkwash", "ink wash"]
        weight = 1
        trigger_weight = 0.25
        [[loras]]
        ref = "./mine/a.safetensors"
        [[loras]]
        ref = "plain.safetensors"
        """,
    )
    found = load_settings(path).loras
    assert found[0] == LoraEntry(
        ref="1963644", triggers=("inkwash", "ink wash"), weight=1.0, trigger_weight=0.25
    )
    assert [entry.reference for entry in configured(found)] == [
        Number(1963644),
        Local(tmp_path / "mine" / "a.safetensors"),
        Local(tmp_path / "plain.safetensors"),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('[[loras]]\nref = "1"\nweight = 3', r"\[\[loras\]\] 1: weight"),
        ('[[loras]]\nref = "1"\ntrigger_weight = -1', r"\[\[loras\]\] 1: trigger_weight"),
        ('[[loras]]\nref = "1"\nwieght = 1', r"\[\[loras\]\] 1: wieght.*did you mean `weight`"),
        ('[[loras]]\nref = "1"\ntriggers = "a"', r"\[\[loras\]\] 1: triggers"),
        ("[[loras]]\nweight = 1", r"\[\[loras\]\] number 1: ref"),
        ('[loras]\nref = "1"', r"write `\[\[loras\]\]`, in double brackets"),
        ('[[loras]]\nref = "1"\n[[loras]]\nref = "1"', r"\[\[loras\]\] 1: another entry"),
        ("max_lora_bytes = 0", "max_lora_bytes"),
    ],
)
def test_a_fault_names_its_entry(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        load_settings(settings_file(tmp_path, text))


@pytest.mark.parametrize("ref", ["some words", "ftp://example.org/x.safetensors", "x.ckpt"])
def test_a_reference_that_is_none_names_its_entry(ref: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[\[loras\]\] "):
        configured([LoraEntry(ref=ref)])


@pytest.mark.parametrize(
    "entries",
    ["{0}weight = 3", "{0}[[loras]]\n{1}", "{0}"],
    ids=["a value", "another entry", "a malformed reference"],
)
def test_a_fault_tells_no_key(tmp_path: Path, entries: str) -> None:
    ref = 'ref = "https://me:s3cret@e.org/x?X-Amz-Signature=s3cret"\n'
    path = settings_file(tmp_path, "[[loras]]\n" + entries.format(ref, ref))
    with pytest.raises(ConfigurationError, match=r"\[\[loras\]\] https://…@e\.org/x") as caught:
        configured(load_settings(path).loras)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("ref", "known", "means"),
    [
        ("70", (7, 70, None), True),
        ("7", (7, 70, None), False),
        ("7", (7, 70, None, frozenset({"civitai:7"})), True),
        ("civitai:7@70+5", (7, 70, None), False),
        ("civitai:7@70+5", (7, 70, None, frozenset({"civitai:7@70+5"})), True),
        ("civitai:7?type=Model", (7, 70, None), False),
        ("civitai:7@70", (None, 70, None), True),
        ("https://civitai.com/models/7", (7, 70, None), True),
        ("https://civitai.com/models/70", (7, 70, None), False),
        ("org/name", (None, None, "hf:org/name"), True),
        ("org/name", (None, None, "hf:org/name/x.safetensors"), True),
        ("org/name", (None, None, "hf:org/names/x.safetensors"), False),
        ("org/name:y.safetensors", (None, None, "hf:org/name/x.safetensors"), False),
        ("https://e.org/x.safetensors", (None, None, "https://e.org/x.safetensors"), True),
        ("/loras/x.safetensors", (None, None, None), True),
        ("/other/x.safetensors", (None, None, None), False),
    ],
)
def test_an_entry_means_a_file(ref: str, known: tuple[Any, ...], means: bool) -> None:
    (entry,) = configured([LoraEntry(ref=ref)])
    assert entry.means(Origin(Path("/loras/x.safetensors"), *known)) is means
