"""Headers that were changed at random: whatever they say, the scanner goes on, and believes none
of their numbers."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from server.loras.examination import Examined, NotWhole, examine
from server.loras.recognition import Recognition
from server.plugins.manager import discover
from server.plugins.types import ModelFamily
from tests.unit.loras.builders import families

MODULE = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"

#: What a small file is made of.
TENSORS = {
    f"{MODULE}.lora_down.weight": np.ones((4, 640), np.float16),
    f"{MODULE}.lora_up.weight": np.ones((640, 4), np.float16),
    f"{MODULE}.alpha": np.array(4, np.float16),
    "transformer.blocks.0.to_q.lora_A.weight": np.ones((2, 8), np.float16),
    "transformer.blocks.0.to_q.lora_B.weight": np.ones((8, 2), np.float16),
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a": np.ones((8, 2), np.float16),
}
METADATA = {
    "ss_network_alpha": "4",
    "ss_tag_frequency": '{"10_ink": {"ink": 40}}',
    "modelspec.title": "Ink",
}
CONTENT = save(TENSORS, METADATA)
LENGTH = int.from_bytes(CONTENT[:8], "little")
HEADER: dict[str, Any] = json.loads(CONTENT[8 : 8 + LENGTH])
DATA = CONTENT[8 + LENGTH :]

#: Values that some reader might believe.
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 2**40, 2**60, -(2**70), 10**400, 0.5, 1e400, float("nan")),
    *("", "F16", "BF16", "x", "\ud800", "9" * 5000, "[" * 5000),
    *([], {}, [0], [-1, 4], [2**60, 2**61], [[]], [1.5, 2], ["1", "2"], [None], [4, 2]),
)
LENGTHS = (0, 1, 7, LENGTH - 1, LENGTH + 1, 1 << 20, 1 << 31, 1 << 40, 1 << 60, (1 << 64) - 1)
NAMES = (*HEADER, "x", "", "lora_unet_a.lora_up.weight", "\ud800")
FIELDS = ("dtype", "shape", "data_offsets", "x")
TEXTS = (*METADATA, "lora_adapter_metadata", "ss_dataset_dirs")

#: How many headers are made of one example of hypothesis', whose own work would take longer.
BATCH = 20


def mutated(draw: random.Random) -> bytes:
    """A file whose header was changed: in some bytes, in its length, or in its values."""
    match draw.randrange(4):
        case 0:
            content = bytearray(CONTENT[: draw.choice((None, draw.randrange(len(CONTENT))))])
            for _ in range(draw.randrange(6) if content else 0):
                content[draw.randrange(min(len(content), 8 + LENGTH))] = draw.randrange(256)
            return bytes(content)
        case 1:
            return draw.choice(LENGTHS).to_bytes(8, "little") + CONTENT[8:]
        case 2:
            name = draw.choice(NAMES)
            entry = {**HEADER.get(name, {}), draw.choice(FIELDS): draw.choice(VALUES)}
            return _file({**HEADER, name: draw.choice((entry, draw.choice(VALUES)))})
        case _:
            texts = {**METADATA, draw.choice(TEXTS): draw.choice(VALUES)}
            return _file({**HEADER, "__metadata__": texts})


def _file(header: Any) -> bytes:
    content = json.dumps(header).encode("utf-8", "replace")
    return len(content).to_bytes(8, "little") + content + DATA


class Bench:
    """Looks at one file again and again, and keeps what families complain of."""

    def __init__(self, path: Path) -> None:
        self.faults: list[str] = []
        self._path = path
        self._some = self._recognition(families())
        self._all = self._recognition({**discover().families, **families()})
        path.touch()

    def look(self, content: bytes, *, closely: bool) -> tuple[Examined | None, int]:
        """What a file of this content says of itself, None: it is waited for; and the most bytes
        that reading it took. `closely` asks all families that are installed, and counts bytes."""
        with self._path.open("r+b") as stream:
            stream.write(content)
            stream.truncate()
        recognition = self._all if closely else self._some
        if closely:
            tracemalloc.start(1)
        try:
            found = examine(self._path, len(content), recognition)
        except NotWhole:
            found = None
        finally:
            peak = tracemalloc.get_traced_memory()[1] if closely else 0
            tracemalloc.stop()
        return found, peak

    def _recognition(self, known: Mapping[str, ModelFamily]) -> Recognition:
        return Recognition(known, lambda family, message: self.faults.append(message))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("loras") / "x.safetensors")


@settings(
    max_examples=10_000 // BATCH,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_ten_thousand_of_them(seed: int, bench: Bench) -> None:
    draw = random.Random(seed)
    for number in range(BATCH):
        found, peak = bench.look(mutated(draw), closely=number == 0)
        assert peak < 2 << 20, "it allocated what a header claimed"
        if found is not None:
            stored = json.dumps(found.to_json(), allow_nan=False).encode()
            assert Examined.from_json(json.loads(stored)).claims == found.claims
    assert bench.faults == [], "a family was irritated by a file"


@pytest.mark.parametrize("claim", [1 << 31, 1 << 40, 1 << 60, (1 << 64) - 1])
def test_no_claim_of_a_length_is_believed(bench: Bench, claim: int) -> None:
    found, peak = bench.look(claim.to_bytes(8, "little") + CONTENT[8:], closely=True)
    assert found is not None and "no safetensors file" in str(found.fault)
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F16", "shape": [1 << 60, 1 << 60], "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": [2], "data_offsets": [0, 1 << 60]},
        {"dtype": "F16", "shape": [2], "data_offsets": [1 << 60, 1 << 61]},
        {"dtype": "F16", "shape": [1] * 50_000, "data_offsets": [0, 4]},
    ],
)
def test_no_claim_of_a_tensor_is_believed(bench: Bench, entry: dict[str, Any]) -> None:
    content = _file({**HEADER, f"{MODULE}.lora_down.weight": entry})
    _, peak = bench.look(content, closely=True)
    assert peak < 8 << 20 and bench.faults == []
