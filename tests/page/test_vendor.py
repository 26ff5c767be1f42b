"""The libraries of the page are what their `VERSION.md` says: files of npm's packages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.npm import installed

VENDOR = Path(__file__).parents[2] / "server" / "web" / "vendor"
ROW = re.compile(
    r"^\| `(.+?)` \| `(.+?)` \| (.+?) \| `(.+?)` \| `(.+?)` \| `[0-9a-f]{128}` \|$", re.M
)
SOURCE_MAP = re.compile(r"//# sourceMappingURL=\S*")

#: Imports by package name, and by file.
IMPORTS = {
    '"preact/hooks"': '"./hooks.js"',
    '"preact"': '"./preact.js"',
    '"@preact/signals-core"': '"./signals-core.js"',
}


class Vendored(NamedTuple):
    """A row of the table."""

    file: str
    package: str
    version: str
    path: str
    licence: str


ROWS = [Vendored(*found) for found in ROW.findall((VENDOR / "VERSION.md").read_text("utf-8"))]


def test_every_library_is_listed_with_its_licence() -> None:
    assert {row.file for row in ROWS} == {path.name for path in VENDOR.glob("*.js")}
    assert {row.licence for row in ROWS} == {path.name for path in VENDOR.glob("*.LICENSE")}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as npm installs them."""
    wanted = tmp_path_factory.mktemp("wanted") / "package.json"
    dependencies = {row.package: row.version for row in ROWS}
    wanted.write_text(json.dumps({"private": True, "dependencies": dependencies}))
    return installed(tmp_path_factory.mktemp("packages"), wanted) / "node_modules"


@pytest.mark.clients
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_a_library_is_its_packages_file(row: Vendored, packages: Path) -> None:
    original = (packages / row.package / row.path).read_text("utf-8")
    for name, file in IMPORTS.items():
        original = original.replace(f"from{name}", f"from{file}")
    assert (VENDOR / row.file).read_text("utf-8") == re.sub(SOURCE_MAP, "", original)
