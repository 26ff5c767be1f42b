"""Trigger words: which a prompt lacks, and how they are added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.trigger_words import Trigger, extended, lacking
from server.worker.prompt_syntax import parse_prompt


def phrases(prompt: str, *words: str) -> list[str]:
    return [trigger.phrase for trigger in lacking([Trigger(word, 1) for word in words], prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        "ink style",
        "a cat, INK Style, tree",
        "ink_style",
        "an (ink style:1.3)!",
        "[ink] style",
        r"\(ink style\)",
        "ink\n  style",
    ],
)
def test_a_phrase_in_the_prompt_is_not_lacking(prompt: str) -> None:
    assert phrases(prompt, "ink style") == phrases(prompt, "Ink_Style ") == []


@pytest.mark.parametrize("prompt", ["", "inkstyle", "ink styles", "blink style", "ink, style"])
def test_a_phrase_counts_as_a_whole_only(prompt: str) -> None:
    assert phrases(prompt, "ink style") == ["ink style"]


def test_brackets_in_names_count_in_no_way() -> None:
    assert phrases(r"rem \(re:zero\)", "rem (re:zero)") == []
    assert phrases("rem (re:zero)", r"rem \(re:zero\)") == []


def test_commas_within_phrases_may_have_spaces() -> None:
    assert phrases("1girl,solo", "1girl, solo") == phrases("1girl ,  solo", "1girl,solo") == []


def test_each_phrase_is_lacking_once_in_its_order() -> None:
    assert phrases("x", "b", "a", "B", "(b)", "c_d", "c d") == ["b", "a", "c_d"]


@pytest.mark.parametrize("phrase", ["", " ", "()", "BREAK", "AND", ",", "<lora:x:1>"])
def test_a_phrase_without_words_is_none(phrase: str) -> None:
    assert phrases("x", phrase) == []


def test_a_phrase_of_weight_zero_is_left_to_who_wants_it() -> None:
    found = lacking([Trigger("ink", 0), Trigger("ink", 0.5), Trigger("oil", 1e-9)], "x")
    assert found == [Trigger("ink", 0.5)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", "a cat, (ink:0.5), plain"),
        ("a cat, ", "a cat, (ink:0.5), plain"),
        ("", "(ink:0.5), plain"),
        # Brackets that nothing closes would weigh what follows.
        ("a (cat [sat", "a (cat [sat,)] (ink:0.5), plain"),
        ("a (cat:1.5", "a (cat:1.5,) (ink:0.5), plain"),
    ],
)
def test_phrases_join_a_weighted_prompt(prompt: str, expected: str) -> None:
    triggers = [Trigger("ink", 0.5), Trigger("plain", 1)]
    assert extended(prompt, triggers, weighted=True) == expected
    added = parse_prompt(expected)[0]
    assert ("ink", 0.5) in added and added[-1] == (", plain", 1.0)


def test_phrases_join_other_prompts_as_plain_words() -> None:
    triggers = [Trigger("ink", 0.5), Trigger(r"rem \(re:zero\)", 2)]
    assert extended("a (cat", triggers, weighted=False) == "ink, rem (re:zero), a (cat"


def test_without_phrases_a_prompt_stays_as_it_is() -> None:
    assert extended(" a (cat, ", [], weighted=True) == " a (cat, "


def test_brackets_within_phrases_are_escaped_once() -> None:
    triggers = [Trigger("rem (re:zero)", 1), Trigger(r"\(k\)", 0.5)]
    assert extended("a", triggers, weighted=True) == r"a, rem \(re:zero\), (\(k\):0.5)"


@pytest.mark.parametrize("weighted", [True, False])
def test_phrases_keep_to_one_line_and_bring_no_tags(weighted: bool) -> None:
    triggers = [Trigger("one\nNegative prompt: two <lora:x:1>", 1)]
    expected = "a, one Negative prompt: two" if weighted else "one Negative prompt: two, a"
    assert extended("a", triggers, weighted=weighted) == expected


def test_phrases_part_no_weighted_prompt() -> None:
    triggers = [Trigger("a BREAK b AND c BREAKING", 1)]
    assert extended("x", triggers, weighted=True) == "x, a break b and c BREAKING"


TEXTS = st.text(st.sampled_from("ab ()[]\\:,.15_BREAK<>\n"), max_size=20)


def weighed(prompt: str) -> list[list[tuple[str, float]]]:
    """The letters of each segment with their weights; spaces and commas hold nothing together."""
    return [
        [
            (letter, piece.weight)
            for piece in pieces
            for letter in piece.text
            if letter not in " \n,"
        ]
        for pieces in parse_prompt(prompt)
    ]


@given(prompt=TEXTS, phrase=TEXTS, weight=st.floats(0.01, 2))
def test_a_phrase_has_its_weight_and_changes_nothing_before_it(
    prompt: str, phrase: str, weight: float
) -> None:
    triggers = lacking([Trigger(phrase, weight)], prompt)
    before, after = weighed(prompt), weighed(extended(prompt, triggers, weighted=True))
    length = len(before[-1])
    assert [*after[:-1], after[-1][:length]] == before
    assert bool(after[-1][length:]) == bool(triggers)
    assert {given for _, given in after[-1][length:]} <= {round(weight, 6)}


@given(prompt=TEXTS, phrase=TEXTS)
def test_a_prompt_with_its_phrases_lacks_none(prompt: str, phrase: str) -> None:
    triggers = lacking([Trigger(phrase, 0.5)], prompt)
    assert lacking(triggers, extended(prompt, triggers, weighted=True)) == []
