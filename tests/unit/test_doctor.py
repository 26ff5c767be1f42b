"""What `darkroom doctor` finds, and that looking changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections import namedtuple
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import doctor
from server.catalog import ModelCatalog
from server.config import load_settings
from server.database import HEAD, Database
from server.doctor import Finding
from server.plugins.manager import discover
from server.plugins.types import ModelCard, ModelFamily
from server.quantization import Quantization
from server.settings_faults import PREFIX
from tests.serving import live_server
from tests.support import GALLERY, PLUGINS, fill_folder

Usage = namedtuple("Usage", "total used free")


def levels(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.topic, finding.level) for finding in findings]


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the worker answers, for the test to change."""
    memory = {"free": 8 * 2**30, "total": 16 * 2**30}
    report: dict[str, Any] = {
        "devices": [],
        "device": "cpu",
        "dtype": "float32",
        "error": None,
        "memory": memory,
        "host": memory,
    }

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, json.dumps(report), "")

    monkeypatch.setattr(subprocess, "run", run)
    return report


def test_a_sound_installation_has_no_fault(tmp_path: Path, device: dict[str, Any]) -> None:
    options: dict[str, Any] = {"plugin_folder": PLUGINS, "default_model": "colours", "port": 0}
    findings = list(doctor.examine(data=tmp_path / "new", **options))
    assert [finding for finding in findings if finding.level == "fault"] == []
    assert {"plugin colours", "model colours", "folder images", "disk space", "database"} <= {
        finding.topic for finding in findings
    }
    assert not (tmp_path / "new").exists()


def test_bad_settings_are_a_fault_and_the_end(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text("prot = 1\n", encoding="utf-8")
    *_, last = doctor.examine(tmp_path / "d.toml")
    assert (last.topic, last.level) == ("settings", "fault")
    assert "did you mean `port`?" in last.message


def test_a_variable_that_sets_nothing_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PROT", "1")
    last = list(doctor.sources(None))[-1]
    assert last.level == "warning"
    assert f"{PREFIX}PROT" in last.message


def test_missing_libraries_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", ("pydantic", "no-such-library"))
    last = list(doctor.environment())[-1]
    assert (last.level, "no-such-library" in last.message) == ("fault", True)


# --- folders -------------------------------------------------------------------------------


def test_where_the_folders_are_is_explained(tmp_path: Path) -> None:
    first = next(doctor.folders(load_settings(data=tmp_path)))
    assert str(tmp_path) in first.message


def test_a_folder_below_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = dict(levels(doctor.folders(load_settings(data=tmp_path / "file" / "data"))))
    assert found["folder images"] == "fault"


@pytest.mark.parametrize(
    ("free", "level"),
    [(doctor.LITTLE_SPACE, "ok"), (doctor.NO_SPACE, "warning"), (doctor.NO_SPACE - 1, "fault")],
)
def test_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free))
    *_, space = doctor.folders(load_settings(data=tmp_path))
    assert (space.topic, space.level) == ("disk space", level)
    assert bool(space.remedy) == (level != "ok")


# --- database ------------------------------------------------------------------------------


def test_a_database_in_use_is_sound_and_left_alone(tmp_path: Path) -> None:
    opened = Database(tmp_path / "darkroom.db")
    before = files_below(tmp_path)
    assert only(doctor.database_file(opened.path)).level == "ok"
    assert files_below(tmp_path) == before
    opened.close()


def test_a_database_at_rest_is_sound_and_left_alone(tmp_path: Path) -> None:
    Database(tmp_path / "darkroom.db").close()
    before, content = files_below(tmp_path), (tmp_path / "darkroom.db").read_bytes()
    finding = only(doctor.database_file(tmp_path / "darkroom.db"))
    assert files_below(tmp_path) == before
    assert (finding.level, f"revision {HEAD}" in finding.message) == ("ok", True)
    assert (tmp_path / "darkroom.db").read_bytes() == content


def test_no_database_yet_is_no_fault(tmp_path: Path) -> None:
    assert only(doctor.database_file(tmp_path / "darkroom.db")).level == "ok"


def test_a_file_that_is_no_database_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    finding = only(doctor.database_file(path))
    assert (finding.level, bool(finding.remedy)) == ("fault", True)


def test_a_torn_database_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    Database(path).close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert only(doctor.database_file(path)).level == "fault"


def test_a_database_of_a_newer_darkroom_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.db"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    finding = only(doctor.database_file(path))
    assert (finding.level, "newer" in finding.message) == ("fault", True)


# --- address -------------------------------------------------------------------------------


def test_a_free_port_is_fine() -> None:
    assert only(doctor.address(load_settings(port=0))).level == "ok"


def test_a_foreign_server_on_the_port_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx.Response(200, text="<html>", request=httpx.Request("GET", "http://127.0.0.1"))
    monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)
    with doctor.listen(load_settings(port=0)) as listeners:
        finding = only(doctor.address(load_settings(port=listeners.main.port)))
    assert (finding.level, "--port" in finding.message) == ("warning", True)


def test_a_darkroom_on_the_port_is_no_fault(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        finding = only(doctor.address(load_settings(port=server.port)))
    assert (finding.level, "already" in finding.message) == ("ok", True)


def test_an_open_address_without_a_word_is_a_warning() -> None:
    finding = only(doctor.address(load_settings(host="0.0.0.0", port=0)))
    assert (finding.level, "--insecure" in finding.message) == ("warning", True)


# --- plugins, models, devices --------------------------------------------------------------


def test_each_fault_of_a_plugin_is_one_and_others_are_unharmed(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "p", GALLERY / "misspelt_hook.py", PLUGINS / "colours.py")
    found = levels(doctor.plugins(discover(folder)))
    assert ("plugin misspelt_hook", "fault") in found
    assert ("plugin colours", "ok") in found


def test_an_unknown_default_model_is_a_fault() -> None:
    finding = only(doctor.models(discover(PLUGINS), load_settings(default_model="colour")))
    assert (finding.level, "colours" in finding.message) == ("fault", True)


def test_models_that_are_only_not_downloaded_share_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "d.toml").write_text(
        '[[models]]\nid = "far"\nlike = "colours"\nsource = "org/far"\n'
        '[[models]]\nid = "bad"\nlike = "colours"\nsource = "./empty"\n',
        encoding="utf-8",
    )
    settings = load_settings(tmp_path / "d.toml", data=tmp_path)
    found = list(doctor.models(discover(PLUGINS, settings.models), settings))
    assert [finding.topic for finding in found if finding.level == "warning"] == ["model bad"]
    absent = only(finding for finding in found if finding.topic == "models")
    assert "sdxl-base, " in absent.message and "far (from org/far)" in absent.message
    assert "model far" not in {finding.topic for finding in found}


def test_a_configured_model_at_fault_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('[[models]]\nid = "a"\nlike = "nobody"\n', encoding="utf-8")
    *_, last = doctor.examine(tmp_path / "d.toml", data=tmp_path / "new", port=0)
    assert (last.level, "there is no model `nobody`" in last.message) == ("fault", True)


def test_devices_are_listed_and_the_chosen_one_is_named(device: dict[str, Any]) -> None:
    size = {"memory_bytes": 24 * 2**30, "free_bytes": 20 * 2**30}
    entry = {"device": "cuda:0", "name": "Some GPU", **size}
    device.update(devices=[entry], device="cuda", dtype="bfloat16")
    messages = [finding.message for finding in doctor.devices(load_settings())]
    expected = ["cuda:0: Some GPU, 24 GiB, 20.0 GiB free", "cuda is used, in bfloat16"]
    assert messages == expected


def test_a_device_that_is_not_there_is_a_fault(device: dict[str, Any]) -> None:
    device.update(device=None, dtype=None, error="There is no device 'cuda' here")
    assert only(doctor.devices(load_settings(device="cuda"))).level == "fault"


def test_a_worker_that_does_not_start_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, command, "", "ImportError: no torch\n")

    monkeypatch.setattr(subprocess, "run", run)
    finding = only(doctor.devices(load_settings()))
    assert (finding.level, "no torch" in finding.message) == ("fault", True)


# --- a model's memory ----------------------------------------------------------------------


@pytest.fixture
def card(tmp_path: Path, device: dict[str, Any]) -> Callable[..., Finding]:
    """What is found about the memory for a model that the configuration names."""

    def ask(model: str = "mine", *, free: float = 24, **report: Any) -> Finding:
        memory = {"free": round(free * 2**30), "total": 24 * 2**30}
        device.update(device="cuda", dtype="bfloat16", memory=memory, **report)
        (tmp_path / "d.toml").write_text(
            '[[models]]\nid = "mine"\nlike = "colours"\nsource = "./mine"\n', encoding="utf-8"
        )
        options: dict[str, Any] = {"plugin_folder": PLUGINS, "data": tmp_path / "new", "port": 0}
        *_, last = doctor.examine(tmp_path / "d.toml", model, **options)
        return last

    return ask


def fill(folder: Path, numbers: int) -> None:
    """A pipeline with a transformer of so many numbers; the file has a header only."""
    place = folder / "transformer"
    place.mkdir(parents=True)
    tensor = {"dtype": "BF16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}
    header = json.dumps({"blocks.0.w": tensor}).encode()
    file = place / "diffusion_pytorch_model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    (place / "config.json").write_text('{"dim": 3072}', encoding="utf-8")
    index = json.dumps({"transformer": ["diffusers", "Some"]})
    (folder / "model_index.json").write_text(index, encoding="utf-8")


def test_the_decision_for_a_model_and_why(tmp_path: Path, card: Callable[..., Finding]) -> None:
    fill(tmp_path / "mine", 2 * 2**30)
    finding = card()
    assert (finding.topic, finding.level) == ("memory for mine", "ok")
    assert finding.message.startswith("offload none. All weights stay on the device: about 4.1 GiB")
    assert "64 x 64 pixels in bfloat16" in finding.message


def test_a_model_that_does_not_fit_is_a_warning(
    tmp_path: Path, card: Callable[..., Finding]
) -> None:
    fill(tmp_path / "mine", 2 * 2**30)
    finding = card(free=2)
    assert (finding.level, bool(finding.remedy)) == ("warning", True)
    assert finding.message.startswith("offload sequential.")


def test_without_weights_the_card_s_size_is_used(
    card: Callable[..., Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = ModelCatalog.find
    held: Quantization | None = None

    def sized(catalog: ModelCatalog, name: str) -> tuple[ModelFamily, ModelCard]:
        family, found = find(catalog, name)
        return family, replace(found, size_bytes=10 * 10**9, quantization=held)

    monkeypatch.setattr(ModelCatalog, "find", sized)
    finding = card()
    assert (finding.level, "guessed from the 10.0 GB" in finding.message) == ("ok", True)
    assert "offload none" not in card(free=10).message
    held = "nf4"
    finding = card(free=10)
    assert "offload none" in finding.message and "quantization nf4" in finding.message


def test_without_weights_and_size_nothing_can_be_told(card: Callable[..., Finding]) -> None:
    assert card().level == "fault"


def test_weights_that_are_none_are_told(tmp_path: Path, card: Callable[..., Finding]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/model_index.json").write_text("nope", encoding="utf-8")
    finding = card()
    assert (finding.level, "cannot be read" in finding.message) == ("fault", True)


def test_an_unknown_model_is_told(card: Callable[..., Finding]) -> None:
    finding = card("mime")
    assert (finding.level, "did you mean `mine`" in finding.message) == ("fault", True)
