"""docs/architecture.md and the changelog agree with the code."""

from __future__ import annotations

import re
import tomllib

from server import __version__
from server.generation import ALIASES, COMMON_WORDS
from server.records import JobStatus
from tests.docs.pages import DOCS, ROOT, blocks, text

ARCHITECTURE = DOCS / "architecture.md"
GLOSSARY = DOCS / "glossary.md"


def test_the_layers_are_those_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    (shown,) = blocks(ARCHITECTURE, "layers")
    assert shown.splitlines() == layers


def test_every_module_of_the_server_has_a_place_on_the_map() -> None:
    page = text(ARCHITECTURE)
    for path in (ROOT / "server").iterdir():
        if path.name.startswith("_") or not (path.is_dir() or path.suffix == ".py"):
            continue
        assert f"`server/{path.name}{'/' if path.is_dir() else ''}`" in page


def test_the_newest_version_of_the_changelog_is_ours() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


def test_the_glossary_says_of_each_word_what_the_code_says() -> None:
    entries = dict(re.findall(r"^- \*\*`(\w+)`\*\*: ((?:.+\n)(?:  .+\n)*)", text(GLOSSARY), re.M))
    assert list(entries) == list(COMMON_WORDS)
    for word, meaning in COMMON_WORDS.items():
        assert " ".join(entries[word].split()).startswith(meaning)
    for alias, word in ALIASES.items():
        assert f"`{alias}` is accepted too" in " ".join(entries[word].split())


def test_the_glossary_knows_every_status() -> None:
    for status in JobStatus:
        assert f"\n- **{status}**: " in text(GLOSSARY)
