"""Links lead somewhere, and paths that pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import HEADING, LINK, PAGES, ROOT, anchors, name, prose

#: A file or folder of the repository, as pages write it: `server/jobs/store.py`, `tests/docs/`.
PATH = re.compile(r"`((?:server|darkroom|tests|docs|model_plugins)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_headings_of_a_page_differ(page: Path) -> None:
    """Of two alike, one would get another anchor than its text says."""
    assert len(anchors(page)) == len(HEADING.findall(prose(page)))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_of_the_repository_exist(page: Path) -> None:
    missing = [path for path in PATH.findall(prose(page)) if not (ROOT / path).exists()]
    assert missing == []


def test_every_page_is_found_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(prose(index))}
    assert set(PAGES) - linked == {ROOT / "README.md", index}
