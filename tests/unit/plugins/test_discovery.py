"""Where plugins are found, and under which name and version."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import server
from server.plugins.manager import PluginManager, discover
from server.plugins.types import PluginRecord
from tests.support import COLOURS, PLUGINS, fill_folder

FAMILY = """
from darkroom import GenerationParams, ModelCard, ModelFamily, hookimpl

def load(card, context): ...

@hookimpl
def register_model_families():
    card = ModelCard(id="{name}", title="", source=".")
    return [ModelFamily("{name}", "", GenerationParams, "{module}:load", (card,))]
"""


def family(name: str, module: str) -> str:
    """The text of a plugin with one family."""
    return FAMILY.format(name=name, module=module)


def records(manager: PluginManager) -> dict[str, PluginRecord]:
    """The records by name."""
    return {record.name: record for record in manager.records()}


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on `sys.path`."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def test_built_in_families_are_the_folders_of_the_package(on_path: Path) -> None:
    package = on_path / "scanned_families"
    for name in ("cameo", "mosaic", "_helpers"):
        (package / name).mkdir(parents=True)
        text = family(name, f"scanned_families.{name}")
        (package / name / "__init__.py").write_text(text)
    (package / "__init__.py").touch()
    manager = discover(package="scanned_families")
    assert list(manager.families) == ["cameo", "mosaic"]
    assert records(manager)["cameo"] == PluginRecord("cameo", server.__version__, "built-in")

    shutil.rmtree(package / "cameo")
    manager = discover(package="scanned_families")
    assert list(manager.families) == ["mosaic"]


def test_our_own_families_announce_without_fault() -> None:
    assert all(record.ok and not record.warnings for record in discover().records())


def test_a_distribution_announces_by_entry_point(on_path: Path) -> None:
    (on_path / "shipped_family.py").write_text(family("shipped", "shipped_family"))
    info = on_path / "darkroom_shipped-4.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: darkroom-shipped\nVersion: 4.5\n")
    (info / "entry_points.txt").write_text(
        "[darkroom.plugins]\nshipped = shipped_family\nunshipped = shipped_nowhere\ntorn = :::\n"
    )
    manager = discover()
    assert manager.provider("shipped") == "shipped"
    found = records(manager)
    assert found["shipped"] == PluginRecord("shipped", "4.5", "distribution darkroom-shipped")
    assert "No module named 'shipped_nowhere'" in found["unshipped"].faults[0]
    assert "Importing it raised" in found["torn"].faults[0]


def test_the_users_folder_holds_files_and_packages(tmp_path: Path) -> None:
    (tmp_path / "lone_file.py").write_text('__version__ = "2"\n' + family("lone", "lone_file"))
    package = tmp_path / "whole_package"
    package.mkdir()
    (package / "__init__.py").write_text(family("whole", "whole_package.pipeline"))
    (package / "pipeline.py").write_text("")
    for ignored in ("_private.py", ".hidden.py", "notes.txt"):
        (tmp_path / ignored).write_text("raise AssertionError")
    (tmp_path / "weights").mkdir()
    before = sys.path.copy()
    manager = discover(tmp_path)
    assert {"lone", "whole"} <= manager.families.keys()
    found = records(manager)
    assert found["lone_file"] == PluginRecord("lone_file", "2", str(tmp_path / "lone_file.py"))
    assert found["whole_package"] == PluginRecord("whole_package", "", str(package))
    assert not found.keys() & {"_private", ".hidden", "notes", "weights"}
    assert sys.path == [*before, str(tmp_path)]


@pytest.mark.parametrize(
    ("stem", "other"), [("json", "json"), ("sys", "sys"), ("server", "server")]
)
def test_a_file_named_like_another_module_is_refused(stem: str, other: str, tmp_path: Path) -> None:
    (tmp_path / f"{stem}.py").write_text("raise AssertionError('imported')")
    fault = records(discover(tmp_path))[stem].faults[0]
    assert str(tmp_path / f"{stem}.py") in fault
    assert other in fault.partition(" of ")[2]
    assert "rename the plugin" in fault


def test_a_file_that_would_hide_a_later_module_is_refused(on_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    (folder / "both_have_it.py").write_text("raise AssertionError('imported')")
    (on_path / "both_have_it.py").touch()
    try:
        fault = records(discover(folder))["both_have_it"].faults[0]
    finally:
        sys.path.remove(str(folder))
    assert str(folder / "both_have_it.py") in fault
    assert str(on_path / "both_have_it.py") in fault


def test_a_file_whose_name_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my-plugin.py").touch()
    fault = records(discover(tmp_path))["my-plugin"].faults[0]
    assert "my-plugin.py" in fault
    assert "rename" in fault


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    missing = tmp_path / "plugins-i-meant"
    fault = records(discover(missing))["plugins-i-meant"].faults[0]
    assert str(missing) in fault
    assert "`plugin_folder`" in fault


def test_the_second_plugin_of_a_name_is_refused(on_path: Path, tmp_path: Path) -> None:
    package = on_path / "other_families" / "colours"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(family("other", "other_families.colours"))
    folder = fill_folder(tmp_path / "mine", COLOURS)
    manager = discover(folder, package="other_families")
    first, second = manager.records()
    assert (first.name, first.origin, first.ok) == ("colours", "built-in", True)
    assert (second.name, second.origin) == ("colours", str(folder / "colours.py"))
    assert "Another plugin is named colours" in second.faults[0]
    assert list(manager.families) == ["other"]


def test_discovering_twice_finds_the_same() -> None:
    assert discover(PLUGINS).records() == discover(PLUGINS).records()
