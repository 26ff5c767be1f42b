"""The project's Markdown files, and what tests look for in them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Every page for users.
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name(page: Path) -> str:
    """The page's name in test reports."""
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    """The page's Markdown."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", text(page))


def blocks(page: Path, *languages: str) -> list[str]:
    """The page's code blocks in these languages, in order."""
    return [
        dedent(body) for _, language, body in FENCE.findall(text(page)) if language in languages
    ]


def anchors(page: Path) -> set[str]:
    """What links into the page may name: its headings, as GitHub writes them."""
    headings = HEADING.findall(prose(page))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {words.strip().replace(" ", "-") for words in kept}
