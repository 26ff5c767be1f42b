"""The choice of a device."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from server.errors import ConfigurationError
from server.worker.device import Device, choose, describe
from server.worker.memory import Memory
from tests.unit.worker.processes import ROOT


def test_the_cpu_is_chosen_without_torch() -> None:
    code = "import sys; from server.worker.device import choose; choose('cpu'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "torch" not in done.stdout.split()
    assert choose("cpu") == Device("cpu", "float32")


@pytest.mark.parametrize(
    ("present", "wish", "expected"),
    [
        ([], "auto", Device("cpu", "float32")),
        (["cuda", "mps"], "auto", Device("cuda", "bfloat16")),
        (["cuda"], "cuda:1", Device("cuda:1", "bfloat16")),
        (["mps"], "mps", Device("mps", "bfloat16")),
        (["xpu"], "cpu", Device("cpu", "float32")),
    ],
)
def test_the_best_device_that_is_there_is_chosen(
    monkeypatch: pytest.MonkeyPatch, present: list[str], wish: str, expected: Device
) -> None:
    monkeypatch.setattr("server.worker.device._present", lambda: present)
    monkeypatch.setattr("server.worker.device._dtype", lambda kind: "bfloat16")
    assert choose(wish) == expected


def test_a_device_that_is_not_there_is_refused_with_what_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.worker.device._present", lambda: ["mps"])
    monkeypatch.setattr("server.worker.device._devices", lambda kind: [{"device": kind}])
    with pytest.raises(ConfigurationError, match="found: mps, cpu"):
        choose("cuda:1")
    report = describe("tpu")
    assert (report["device"], report["devices"]) == (None, [{"device": "mps"}])
    assert "no device 'tpu'" in report["error"]


def test_the_worker_describes_its_devices_for_the_doctor() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.worker", "--describe", "--options", '{"device": "cpu"}'],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert (report["device"], report["dtype"], report["error"]) == ("cpu", "float32", None)
    assert isinstance(report["devices"], list)
    assert {"torch", "diffusers", "transformers"} <= report.keys()
    assert 0 < report["memory"]["free"] <= report["memory"]["total"]
    assert report["host"]["total"] == report["memory"]["total"]


def test_an_amd_card_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SimpleNamespace(device_count=lambda: 1, get_device_name=lambda _: "Some Card")
    monkeypatch.setattr(torch, "cuda", backend)
    monkeypatch.setattr(torch.version, "hip", "7.0")
    monkeypatch.setattr("server.worker.memory.of_device", lambda _: Memory(10, 100))
    monkeypatch.setattr("server.worker.device._present", lambda: ["cuda"])
    entry = {"device": "cuda:0", "name": "Some Card (ROCm)", "memory_bytes": 100, "free_bytes": 10}
    assert describe("cpu")["devices"] == [entry]


def test_releasing_memory_needs_no_torch_and_frees_what_only_refers_to_itself() -> None:
    code = (
        "import sys, weakref; from server.worker.device import release_memory\n"
        "class Model: pass\n"
        "model = Model(); model.itself = model; seen = weakref.ref(model); del model\n"
        "release_memory(); print(seen(), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "False"]
