"""What files say of themselves, and which are not read at all."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.loras.examination import Examined, NotWhole, examine
from server.loras.recognition import Recognition
from tests.unit.loras.builders import families, lora


def look(path: Path) -> Examined:
    faults: list[str] = []
    recognition = Recognition(families(), lambda name, text: faults.append(text))
    found = examine(path, path.stat().st_size, recognition)
    assert faults == []
    return found


def written(path: Path, header: Any, data: int = 0, length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    told = len(content) if length is None else length
    path.write_bytes(told.to_bytes(8, "little") + content + bytes(data))
    return path


def tensors(path: Path, *names: str, shape: tuple[int, ...] = (2, 2)) -> Path:
    save_file({name: np.zeros(shape, np.float32) for name in names}, path)
    return path


def test_a_lora(tmp_path: Path) -> None:
    names = ("down.weight", "up.weight")
    metadata = {"ss_network_alpha": "3", "modelspec.title": "Ink"}
    found = look(lora(tmp_path / "x.safetensors", rank=2, names=names, metadata=metadata))
    assert (found.claims, found.fault, found.complete) == (("oak",), None, True)
    assert (found.network, found.rank, found.alpha) == ("lora", 2, None)
    assert [facts.name or facts.alpha for facts in found.facts] == ["Ink", 3.0]
    assert Examined.from_json(json.loads(json.dumps(found.to_json()))).claims == ("oak",)
    earlier = {name: value for name, value in found.to_json().items() if name != "widths"}
    assert Examined.from_json(earlier).widths == {}, "as servers before this one stored it"


@pytest.mark.parametrize(
    ("dtype", "content", "alpha"),
    [
        ("F32", struct.pack("<f", 4.5), 4.5),
        ("F16", struct.pack("<e", 4.5), 4.5),
        ("F64", struct.pack("<d", 4.5), 4.5),
        ("BF16", struct.pack("<f", 4.5)[2:], 4.5),
        ("I64", struct.pack("<q", 4), None),
        ("F32", struct.pack("<f", float("nan")), None),
        ("F32", struct.pack("<f", -1), None),
    ],
)
def test_alpha_is_read_from_its_tensor(
    tmp_path: Path, dtype: str, content: bytes, alpha: float | None
) -> None:
    down, up = "lora_unet_blocks_0_to_q.lora_down.weight", "lora_unet_blocks_0_to_q.lora_up.weight"
    header = {
        "lora_unet_blocks_0_to_q.alpha": {
            "dtype": dtype, "shape": [], "data_offsets": [0, len(content)],
        },
        down: {"dtype": "F32", "shape": [0, 8], "data_offsets": [len(content), len(content)]},
        up: {"dtype": "F32", "shape": [8, 0], "data_offsets": [len(content), len(content)]},
    }  # fmt: skip
    path = written(tmp_path / "x.safetensors", header)
    with path.open("ab") as stream:
        stream.write(content)
    assert look(path).alpha == alpha


OTHERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "embedding": (("emb_params",), "a textual-inversion embedding"),
    "checkpoint": (
        ("model.diffusion_model.input_blocks.0.weight", "first_stage_model.x"),
        "a whole checkpoint",
    ),
    "vae": (("decoder.conv_in.weight",), "a VAE"),
    "controlnet": (("controlnet_cond_embedding.weight",), "a ControlNet"),
    "nothing": ((), "an empty file"),
    "other": (("something.else",), "something else"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_things_are_called_by_their_names(tmp_path: Path, kind: str) -> None:
    names, called = OTHERS[kind]
    found = look(tensors(tmp_path / "x.safetensors", *names))
    assert found.fault is not None and called in found.fault
    assert (found.network, found.claims) == (None, ())


def test_network_types_that_cannot_be_applied(tmp_path: Path) -> None:
    found = look(tensors(tmp_path / "x.safetensors", "lora_unet_blocks_0_to_q.oft_blocks"))
    assert found.network == "oft"
    assert found.fault is not None and "`oft` cannot be applied" in found.fault


def test_half_a_layer(tmp_path: Path) -> None:
    found = look(lora(tmp_path / "x.safetensors", names=("down.weight",)))
    assert found.fault is not None and "lack a part" in found.fault


def test_text_encoders_alone(tmp_path: Path) -> None:
    found = look(lora(tmp_path / "x.safetensors", layer="lora_te_text_model_0_q_proj.lora_"))
    assert found.fault is not None and "text encoders only" in found.fault


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.mkdir()  # whoever opened it would fail
    found = examine(path, 5, Recognition(families(), lambda name, text: None))
    assert found.fault is not None and "pickle" in found.fault


@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html>", b"PK\x03\x04" + bytes(20), b"\x80\x02}q\x00.........", b"\xff" * 50],
)
def test_what_is_no_safetensors_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    found = look(path)
    assert found.fault is not None and "no safetensors file" in found.fault
    assert found.header == 0


@pytest.mark.parametrize("header", [b"{" + b"x" * 20, b'{"a": ' + b"[" * 50_000, b'{"a":{}}'])
def test_a_header_that_is_no_header(tmp_path: Path, header: bytes) -> None:
    found = look(written(tmp_path / "x.safetensors", header))
    assert found.fault is not None and "damaged" in found.fault


def test_bytes_behind_the_end(tmp_path: Path) -> None:
    path = lora(tmp_path / "x.safetensors")
    with path.open("ab") as stream:
        stream.write(b"more")
    found = look(path)
    assert found.fault is not None and "4 bytes more" in found.fault


def test_a_header_beyond_measure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    length = 5 << 20
    with path.open("wb") as stream:
        stream.write(length.to_bytes(8, "little") + b"{")
        stream.truncate(8 + length)
    found = look(path)
    assert found.fault is not None and "5,242,880" in found.fault


@pytest.mark.parametrize("kept", [0, 5, 8, 9, 100, -1])
def test_a_part_of_a_file_is_waited_for(tmp_path: Path, kept: int) -> None:
    path = lora(tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(NotWhole):
        look(path)


def test_room_made_for_a_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(5000))
    with pytest.raises(NotWhole):
        look(path)


def test_a_file_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        examine(tmp_path / "x.safetensors", 5, Recognition(families(), lambda name, text: None))
