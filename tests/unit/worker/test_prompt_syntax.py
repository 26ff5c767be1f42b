"""The prompt syntax: every rule by example, and any text at all."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.prompt_syntax import MAX_WEIGHT, parse_prompt

#: A piece as written here: its text and its weight.
Pieces = list[tuple[str, float]]

ONE_SEGMENT: list[tuple[str, Pieces]] = [
    # Round and square brackets, weights, and brackets in brackets.
    ("(a)", [("a", 1.1)]),
    ("((a))", [("a", 1.21)]),
    ("[a]", [("a", 0.909091)]),
    ("[[a]]", [("a", 0.826446)]),
    ("([a])", [("a", 1.0)]),
    ("(a:1.3)", [("a", 1.3)]),
    ("(a:0)", [("a", 0.0)]),
    ("(a:-1)", [("a", -1.0)]),
    ("(a: .5 )", [("a", 0.5)]),
    ("(a:2.)", [("a", 2.0)]),
    ("(a:1000)", [("a", MAX_WEIGHT)]),
    ("((a:1.3) b)", [("a", 1.43), (" b", 1.1)]),
    (
        "x [a (b:2) c] y",
        [("x ", 1.0), ("a ", 0.909091), ("b", 1.818182), (" c", 0.909091), (" y", 1.0)],
    ),
    # Brackets of the two kinds may cross.
    ("(a [b) c] d", [("a ", 1.1), ("b", 1.0), (" c", 0.909091), (" d", 1.0)]),
    # Neighbours of one weight are one piece.
    ("(a)(b) c", [("ab", 1.1), (" c", 1.0)]),
    ("a(b:1)c", [("abc", 1.0)]),
    ("()", [("", 1.0)]),
    # Escapes.
    (r"\(a\) \[b\] \\(c\\)", [(r"(a) [b] " + "\\", 1.0), ("c\\", 1.1)]),
    (r"a\b \ ", [(r"a\b \ ", 1.0)]),
    (r"(a\:1.3)", [(r"a" + "\\", 1.3)]),
    # Brackets without their counterpart.
    ("a (b [c", [("a ", 1.0), ("b ", 1.1), ("c", 1.0)]),
    ("a (b:1.3", [("a ", 1.0), ("b:1.3", 1.1)]),
    ("a) b] (c", [("a) b] ", 1.0), ("c", 1.1)]),
    ("a :1.3) :)", [("a :1.3) :)", 1.0)]),
    ("[a:1.3)]", [("a:1.3)", 0.909091)]),
    # Weights that are none.
    ("(a:b)", [("a:b", 1.1)]),
    ("(a:)", [("a:", 1.1)]),
    ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
    ("(a:1e1)", [("a:1e1", 1.1)]),
    ("(a:nan)", [("a:nan", 1.1)]),
    ("[a:1.3]", [("a:1.3", 0.909091)]),
    ("[a:b:0.5]", [("a:b:0.5", 0.909091)]),
    # No BREAK.
    ("aBREAK BREAKFAST BREAK_ break", [("aBREAK BREAKFAST BREAK_ break", 1.0)]),
]

PLAIN = ["", " ", "a cat", "  two\n lines\t, é 猫 🐈 ", "B: 12:30, a/b: c", "\\ \\n {a} <lora:x:1>"]


@pytest.mark.parametrize(("prompt", "pieces"), ONE_SEGMENT)
def test_each_rule(prompt: str, pieces: Pieces) -> None:
    assert parse_prompt(prompt) == [pieces]


@pytest.mark.parametrize("prompt", PLAIN)
def test_a_prompt_without_syntax_is_one_piece_unchanged(prompt: str) -> None:
    assert parse_prompt(prompt) == [[(prompt, 1.0)]]


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("a BREAK b", [[("a ", 1.0)], [(" b", 1.0)]]),
        ("a\nBREAK, b", [[("a\n", 1.0)], [(", b", 1.0)]]),
        ("(a BREAK b:1.3) c", [[("a ", 1.3)], [(" b", 1.3), (" c", 1.0)]]),
        ("(a)BREAK[b]", [[("a", 1.1)], [("b", 0.909091)]]),
        ("BREAK", [[("", 1.0)], [("", 1.0)]]),
        ("a BREAK BREAK b", [[("a ", 1.0)], [(" ", 1.0)], [(" b", 1.0)]]),
    ],
)
def test_break_ends_a_segment(prompt: str, segments: list[Pieces]) -> None:
    assert parse_prompt(prompt) == segments


@pytest.mark.parametrize(
    ("prompt", "weight"),
    [
        ("(" * 10_000 + "a", MAX_WEIGHT),
        ("(" * 10_000 + "a" + ")" * 10_000, MAX_WEIGHT),
        ("[" * 10_000 + "a", 0.0),
        ("(" * 10_000 + "(a:0)", 0.0),
        ("(a:" + "9" * 10_000 + ")", MAX_WEIGHT),
        ("(a:-" + "9" * 10_000 + ")", -MAX_WEIGHT),
    ],
)
def test_weights_without_measure_stay_finite(prompt: str, weight: float) -> None:
    assert parse_prompt(prompt) == [[("a", weight)]]


def escaped(text: str) -> str:
    return re.sub(r"[()\[\]\\]", r"\\\g<0>", text)


@given(st.text(st.characters(exclude_characters="K")) | st.text("()[]\\:1.5 a"))
def test_escaped_text_is_one_piece(text: str) -> None:
    assert parse_prompt(escaped(text)) == [[(text, 1.0)]]


SNIPPETS = ["(", ")", "[", "]", "\\", ":", "1.3", ":1.3)", "BREAK", " BREAK ", "a", "b", " ", "é"]


@given(st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3)).map("".join))
def test_any_text_is_a_prompt(prompt: str) -> None:
    segments = parse_prompt(prompt)

    assert len(segments) == 1 + len(re.findall(r"\bBREAK\b", prompt))
    for segment in segments:
        assert segment
        assert all(abs(weight) <= MAX_WEIGHT for _, weight in segment)
        weights = [weight for _, weight in segment]
        assert len(weights) == len(list(groupby(weights)))
    # Nothing but syntax is gone.
    text = "".join(text for segment in segments for text, _ in segment)
    syntax = re.compile(r"\bBREAK\b|[()\[\]\\:+\-.0-9]|\s")
    assert syntax.sub("", text) == syntax.sub("", prompt)


#: A tree of brackets: a text, or what to multiply with and the trees inside.
Tree = str | tuple[float, list["Tree"]]


def trees(depth: int) -> st.SearchStrategy[list[Tree]]:
    """Trees whose weights stay in bounds."""
    tree: st.SearchStrategy[Tree] = st.text("ab ()[]\\:", min_size=1, max_size=5)
    if depth:
        factor = st.sampled_from([1.1, 1 / 1.1, 0.5, 1.25, 2.0])
        tree |= st.tuples(factor, trees(depth - 1))
    return st.lists(tree, max_size=3)


def written(trees: list[Tree]) -> str:
    """The trees as a prompt."""
    forms = {1.1: "({})", 1 / 1.1: "[{}]", 0.5: "({}:0.5)", 1.25: "({}: 1.25 )", 2.0: "({}:+2)"}
    return "".join(
        escaped(tree) if isinstance(tree, str) else forms[tree[0]].format(written(tree[1]))
        for tree in trees
    )


def flat(trees: list[Tree], weight: float = 1.0) -> list[tuple[str, float]]:
    """Each character of the trees with the product of the weights around it."""
    characters: list[tuple[str, float]] = []
    for tree in trees:
        if isinstance(tree, str):
            characters += [(character, weight) for character in tree]
        else:
            characters += flat(tree[1], weight * tree[0])
    return characters


@given(trees(depth=3))
def test_brackets_multiply_at_any_depth(trees: list[Tree]) -> None:
    [segment] = parse_prompt(written(trees))

    got = [(character, weight) for text, weight in segment for character in text]
    expected = flat(trees)
    assert [text for text, _ in got] == [text for text, _ in expected]
    assert [weight for _, weight in got] == pytest.approx([w for _, w in expected], abs=1e-6)
