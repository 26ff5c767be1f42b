"""Words of files, made sound; and what several sources say together."""

from __future__ import annotations

from typing import Any

import pytest

from server.loras.facts import MAX_PHRASES, Facts, lines, merged, natural, number, phrases, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ohwx woman", ("ohwx woman",)),
        ("ohwx, woman,  , red\n dress ,", ("ohwx", "woman", "red", "dress")),
        (["ohwx, woman", "Woman", " a photo\tof ohwx "], ("ohwx", "woman", "a photo of ohwx")),
        ("<lora:ohwx_v1:0.8> ohwx", ("ohwx",)),
        (r"saber \(fate\)", (r"saber \(fate\)",)),
        (["", " , "], None),
        (["x" * 301, "short"], ("short",)),
        (["half \ud800 of a pair"], ("half ? of a pair",)),
        ([1, None, {"a": "b"}], None),
        (None, None),
        (7, None),
    ],
)
def test_phrases(value: Any, expected: tuple[str, ...] | None) -> None:
    assert phrases(value) == expected


def test_of_thousands_of_phrases_the_first_are_kept() -> None:
    found = phrases(",".join(f"word{number}" for number in range(5000)))
    assert found is not None and len(found) == MAX_PHRASES and found[0] == "word0"


def test_texts_are_one_line_that_can_be_stored() -> None:
    assert text("  two\n words\x00 ") == "two words"
    assert text("x" * 99, 10) == "x" * 10
    assert text("\ud800") == "?"
    assert (text("  "), text(5), text(None)) == (None, None, None)
    assert lines("one\r\n two \x07\n\n") == "one\ntwo"


def test_numbers() -> None:
    assert number("0.8", -2, 2) == 0.8 and number(1, -2, 2) == 1.0
    for value in (True, "much", float("nan"), float("inf"), 3, None, [1], "9" * 5000, 10**400):
        assert number(value, -2, 2) is None
    assert (natural(7), natural("7")) == (7, 7)
    for value in (0, -1, 1.5, True, "٣", "x", 10**15, "9" * 5000, None):
        assert natural(value) is None


def test_of_each_fact_the_first_source_that_knows_it_is_believed() -> None:
    user = Facts(name="mine", trigger_words=())
    page = Facts(name="theirs", trigger_words=("a",), weight=0.5)
    assert merged([user, Facts(), page]) == Facts(name="mine", trigger_words=(), weight=0.5)


def test_facts_survive_storing() -> None:
    facts = Facts(name="a", trigger_words=("b", "c"), weight=0.0, license={"x": [1]})
    assert Facts.from_json({**facts.to_json(), "unheard": 1}) == facts
