"""Which models stay in memory, and where: a device and a RAM of made-up sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.errors import ModelLoadFailed
from server.plugins.manager import PluginManager
from server.plugins.types import LoadContext, ModelCard
from server.snapshots import ModelState
from server.worker import cache as cache_module
from server.worker import memory
from server.worker.cache import HOST_RESERVE, ModelCache
from server.worker.device import Device
from server.worker.memory import Memory
from server.worker.offload import Decision
from server.worker.options import WorkerOptions
from tests.support import weights_at

GIB = 2**30

#: Their sizes in GiB are in their names.
MODELS = ("a4", "b4", "c4", "d12")

#: Small enough that what activations take is little beside the weights.
SIZE = (64, 64)


@dataclass
class Machine:
    """A device and a RAM, and what is in them."""

    device: int
    ram: int
    on_device: dict[str, int] = field(default_factory=dict)
    in_ram: dict[str, int] = field(default_factory=dict)

    def of_device(self, _name: str) -> Memory:
        return Memory(self.device - sum(self.on_device.values()), self.device)

    def of_host(self) -> Memory:
        return Memory(self.ram - sum(self.in_ram.values()), self.ram)


class Block:
    """A movable pipeline of one part."""

    def __init__(self, machine: Machine, name: str, size: int) -> None:
        self.machine, self.name, self.size = machine, name, size
        self.ways: list[tuple[str, bool]] = []
        machine.in_ram[name] = size

    def generate(self, task: object, on_step: object) -> Iterator[Any]:
        yield from ()

    @property
    def placed(self) -> Block:
        return self

    def bytes_on(self, device: str) -> int:
        return self.machine.on_device.get(self.name, 0)

    def parts(self) -> dict[int, int]:
        return {id(self): self.size}

    def place(self, decision: Decision, device: str) -> None:
        assert device == "cuda:0"
        self.ways.append((decision.mode, decision.vae_tiling))
        self.park()
        if decision.mode == "none":
            self.machine.on_device[self.name] = self.machine.in_ram.pop(self.name)

    def park(self) -> None:
        self.machine.on_device.pop(self.name, None)
        self.machine.in_ram[self.name] = self.size

    def close(self) -> None:
        self.machine.on_device.pop(self.name, None)
        self.machine.in_ram.pop(self.name, None)


def header(path: Path, size: int) -> None:
    """A safetensors file without its tensors: sixteen blocks of `size` bytes in all."""
    numbers = size // 2 // 16
    names = [f"transformer_blocks.{index}.weight" for index in range(16)]
    entry = {"dtype": "BF16", "shape": [numbers], "data_offsets": [0, 0]}
    content = json.dumps(dict.fromkeys(names, entry)).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content)


class Bench:
    """A cache on a machine with models of given sizes in GiB."""

    def __init__(self, machine: Machine, folder: Path, **options: Any) -> None:
        self.machine = machine
        self.folder = folder
        for name in MODELS:
            header(self.weights(name), int(name[1:]) * GIB)
        self.loads: list[str] = []
        self.sent: list[ModelState] = []
        self.pipelines: dict[str, Block] = {}
        cards = {name: (None, ModelCard(name, name, "x")) for name in MODELS}
        plugins = SimpleNamespace(cards=cards, load_model=self.load)
        self.cache = ModelCache(
            cast(PluginManager, plugins), self.sent.append, WorkerOptions(**options)
        )

    def load(self, card: ModelCard, context: LoadContext) -> Block:
        self.loads.append(card.id)
        size = int(card.id[1:]) * GIB
        self.pipelines[card.id] = Block(self.machine, card.id, size)
        return self.pipelines[card.id]

    def use(self, *models: str, size: tuple[int, int] = SIZE) -> None:
        for model in models:
            self.cache.get(model, weights_at(self.weights(model)), size)

    def weights(self, model: str) -> Path:
        return self.folder / f"{model}.safetensors"

    @property
    def told(self) -> dict[str, str]:
        """The newest state of each model."""
        return {message.model: message.state for message in self.sent}


@pytest.fixture
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """A device of 10 GiB beside a RAM of 64, unless a test says otherwise."""
    options = {"device": 10, "ram": 64, **getattr(request, "param", {})}
    machine = Machine(options.pop("device") * GIB, options.pop("ram") * GIB)
    monkeypatch.setattr(memory, "of_device", machine.of_device)
    monkeypatch.setattr(memory, "of_host", machine.of_host)
    monkeypatch.setattr(cache_module, "choose", lambda _: Device("cuda:0", "bfloat16"))
    return Bench(machine, tmp_path, **options)


def given(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", [options], indirect=True, ids=str)


def test_models_that_fit_stay_on_the_device_and_are_loaded_once(bench: Bench) -> None:
    bench.use("a4", "b4", "a4", "b4")
    assert bench.loads == ["a4", "b4"]
    assert bench.machine.on_device == {"a4": 4 * GIB, "b4": 4 * GIB}
    assert [message.state for message in bench.sent] == ["loading", "loaded"] * 2
    assert bench.sent[-1] == ModelState("b4", "loaded", bytes=4 * GIB)


def test_the_least_recently_used_model_waits_in_ram_and_comes_back_unread(bench: Bench) -> None:
    bench.use("a4", "b4", "a4", "c4")
    assert bench.machine.on_device.keys() == {"a4", "c4"}, "b4 was used longest ago"
    assert bench.machine.in_ram.keys() == {"b4"}
    assert bench.told == {"a4": "loaded", "b4": "in_ram", "c4": "loaded"}
    bench.use("b4")
    assert bench.loads == ["a4", "b4", "c4"], "nothing was read again"
    assert bench.machine.on_device.keys() == {"b4", "c4"}
    assert bench.told == {"a4": "in_ram", "b4": "loaded", "c4": "loaded"}


@given(ram=10)
def test_models_leave_ram_when_it_is_short(bench: Bench) -> None:
    bench.use("a4", "b4", "c4", "a4")
    assert bench.machine.on_device.keys() == {"c4", "a4"}
    assert bench.machine.in_ram.keys() == {"b4"}
    bench.use("b4", "c4")
    assert bench.loads == ["a4", "b4", "c4"], "one at a time had room there"
    bench.machine.ram = 3 * GIB + HOST_RESERVE
    bench.use("a4")
    assert bench.told["b4"] == "unloaded", "RAM has no room for it, the device neither"
    assert sorted(bench.machine.on_device) == ["a4", "c4"]


@given(model_memory=9 * GIB, device=80)
def test_a_limit_on_memory_holds_though_there_is_more(bench: Bench) -> None:
    bench.use("a4", "b4", "c4")
    assert bench.machine.on_device.keys() == {"b4", "c4"}
    assert bench.told["a4"] == "unloaded"
    bench.use("d12")
    assert bench.machine.on_device.keys() == {"d12"}, "one alone may be larger than the limit"


def test_a_model_too_large_for_the_device_has_it_to_itself_and_is_offloaded(bench: Bench) -> None:
    bench.use("a4", "d12")
    assert bench.pipelines["d12"].ways[-1][0] in ("model", "group")
    assert bench.machine.on_device == {}
    assert bench.told == {"a4": "in_ram", "d12": "loaded"}
    bench.use("a4")
    assert bench.machine.on_device.keys() == {"a4"}
    assert bench.loads == ["a4", "d12"]


def test_an_offloaded_model_lets_go_of_its_hooks_before_another_is_placed(bench: Bench) -> None:
    bench.use("d12", "a4")
    assert bench.told == {"d12": "in_ram", "a4": "loaded"}
    bench.use("d12")
    assert bench.told["d12"] == "loaded"
    assert bench.loads == ["d12", "a4"]


@given(device=80, ram=14)
def test_short_ram_does_not_empty_the_device(bench: Bench) -> None:
    bench.use("a4", "b4", "d12")
    assert bench.machine.on_device.keys() == {"a4", "b4", "d12"}
    bench.machine.ram = 6 * GIB
    bench.use("c4")
    assert bench.machine.on_device.keys() == {"a4", "b4", "c4", "d12"}
    assert bench.loads == ["a4", "b4", "d12", "c4"]


@given(offload="sequential")
def test_a_wish_that_does_not_go_with_the_file_is_refused(bench: Bench) -> None:
    bench.use("a4")
    assert bench.pipelines["a4"].ways == [("sequential", False)]
    file = bench.folder / "b4.gguf"
    file.write_bytes(b"GGUF" + bytes(96))
    with pytest.raises(ModelLoadFailed, match="`gguf` does not go with offload `sequential`"):
        bench.cache.get("b4", weights_at(file), SIZE)
    assert bench.told["b4"] == "failed"


def test_after_memory_ran_out_large_images_take_less_and_small_ones_do_not(bench: Bench) -> None:
    bench.use("b4", "a4")
    assert bench.cache.relieve("a4")
    assert bench.told["b4"] == "in_ram", "it made room"
    bench.use("a4")
    assert bench.pipelines["a4"].ways == [("none", False), ("model", False)]
    bench.use("a4", size=(32, 32))
    assert bench.pipelines["a4"].ways[-1] == ("none", False)
    bench.use("a4", size=(128, 128))
    assert bench.pipelines["a4"].ways[-1] == ("model", False)
    tried = []
    while bench.cache.relieve("a4"):
        bench.use("a4", size=(128, 128))
        tried.append(bench.pipelines["a4"].ways[-1])
    assert tried == [("group", False), ("sequential", False), ("sequential", True)]
    assert bench.cache.remark("a4") is None, "it is no larger than a tile"
    bench.use("a4", size=(2048, 2048))
    assert "decoded in tiles" in str(bench.cache.remark("a4"))


def test_what_was_missing_is_estimated(bench: Bench) -> None:
    bench.use("a4")
    sentence = bench.cache.shortage("a4")
    assert sentence.startswith("a4 needs about 4.")
    assert "64 × 64 pixels with offload `none`; cuda:0 has 10.0 GiB." in sentence
    assert bench.cache.shortage("b4") == "", "nobody knows"


def test_a_model_that_cannot_be_placed_has_failed_until_it_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object) -> None:
        raise MemoryError

    for _ in range(2):  # when it was just loaded, and when it had been used
        with monkeypatch.context() as patch:
            patch.setattr(Block, "place", burst)
            with pytest.raises(MemoryError):
                bench.use("a4")
        assert bench.told == {"a4": "failed"}
        bench.use("a4")
        assert bench.told == {"a4": "loaded"}
    assert bench.loads == ["a4"]


def test_other_weights_of_the_same_name_are_loaded_and_the_old_ones_go(bench: Bench) -> None:
    bench.use("a4")
    bench.cache.get("a4", weights_at(bench.weights("b4")), SIZE)
    assert bench.loads == ["a4", "a4"]
    assert bench.machine.on_device == {"a4": 4 * GIB}
    assert not bench.cache.holds("a4", weights_at(bench.weights("a4")))


def test_all_memory_is_freed(bench: Bench) -> None:
    bench.use("a4", "b4", "c4")
    bench.cache.unload("c4")
    assert bench.told["c4"] == "unloaded"
    bench.cache.clear()
    assert (bench.machine.on_device, bench.machine.in_ram) == ({}, {})
    assert set(bench.told.values()) == {"unloaded"}
    with pytest.raises(ModelLoadFailed, match="`e4`"):
        bench.cache.get("e4", weights_at("/e4"))
