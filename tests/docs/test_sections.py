"""The generated sections of pages are what the code says now, and leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from server.errors import all_errors
from server.quantization import PACKAGES
from server.source_errors import SourceFailed
from server.sources.references import parse
from tests.docs.generator import generator
from tests.docs.pages import DOCS, PAGES, name, text

FAMILIES = DOCS / "families"

#: The family whose models enlarge images; its page has no sizes, samplers and memory.
UPSCALERS = "enlarger"

#: Whose files on the disk are in another type than its weights in memory, by their cards.
OTHERWISE_ON_DISK = ("z-image-turbo", "flux-abliterated")


def sections() -> Any:
    return generator("build_sections")


def families() -> dict[str, Any]:
    """The families whose models are downloaded."""
    found = sections().catalog().cards()
    return {family.name: family for family, card in found if not card.bundled}


@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- gen" in text(page)], ids=name)
def test_the_sections_are_what_the_code_says(page: Path) -> None:
    assert page in sections().pages()
    assert text(page) == sections().rewritten(page), "the code has changed: run `make docs`"


def test_every_family_has_a_page_with_every_section() -> None:
    assert {page.stem for page in FAMILIES.iterdir()} == {*families(), UPSCALERS}
    for family in families():
        marked = re.findall(r"<!-- generated: (\w+) (\w+) -->", text(FAMILIES / f"{family}.md"))
        expected = ["models", "sizes", "parameters", "samplers", "memory"]
        assert marked == [(section, family) for section in expected]


def test_the_page_of_the_upscalers_names_every_one_and_every_parameter() -> None:
    page = text(FAMILIES / f"{UPSCALERS}.md")
    found = [
        card for family, card in sections().catalog().cards() if "upscale" in family.capabilities
    ]
    assert found
    for card in found:
        assert f"| `{card.id}` |" in page
        for word in sections().catalog().schema(card.id)["properties"]:
            assert word == "model" or f"| `{word}` |" in page


@pytest.mark.parametrize("family", ["sdxl", "flux", "chroma", "z_image", "flux2", "sd3"])
def test_a_page_names_every_model_licence_and_parameter(family: str) -> None:
    page = text(FAMILIES / f"{family}.md")
    for _, card in sections().cards(family):
        assert f"`{card.id}`" in page
        assert card.license in page
        for word in sections().catalog().schema(card.id)["properties"]:
            assert word == "model" or f"| `{word}` |" in page


def test_the_sizes_of_the_tables_are_those_of_the_cards() -> None:
    sizes = generator("build_sizes")
    cards = {card.id: card for _, card in sections().catalog().cards() if not card.bundled}
    assert set(sizes.MODELS) == set(cards)
    for model, card in cards.items():
        weights = sizes.footprint(model).at(1024, 1024).weights
        if model not in OTHERWISE_ON_DISK:
            assert weights == pytest.approx(card.size_bytes, rel=0.002)


def test_every_reason_why_a_download_fails_is_explained() -> None:
    page = text(DOCS / "how-to" / "sources-and-formats.md")
    for error in all_errors(SourceFailed):
        assert f"`{error.code}`" in page


def test_the_forms_of_references_are_forms() -> None:
    page = text(DOCS / "how-to" / "sources-and-formats.md")
    table = re.search(r"\| Written \| Means \|\n.*?\n\n", page, re.DOTALL)
    assert table is not None
    first = [line.split("|")[1] for line in table[0].strip().splitlines()[2:]]
    forms = [form for cell in first for form in re.findall(r"`([^`]+)`", cell)]
    assert len(forms) > 10
    for form in forms:
        assert str(parse(form)), form


def test_every_quantization_is_explained() -> None:
    page = text(DOCS / "how-to" / "memory.md")
    for way, package in PACKAGES.items():
        assert f"`{way}`" in page
        assert f"pip install 'darkroom[{package}]'" in page
