"""The templates: deterministic, bounded, and never saying a thing twice."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.enrichment.styles import STYLES, Style
from server.enrichment.templates import FUNCTION_WORDS, SAMPLE, expand, listed
from server.enrichment.wish import MAX_LENGTH

EVERY = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
ANY = st.sampled_from([*STYLES.values()])

#: What people write, and words of the styles themselves, so that they meet the phrases.
WORDS = sorted({word for style in STYLES.values() for slot in style.slots for word in slot})
PROMPTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    st.lists(st.sampled_from([*WORDS, "a castle", "Neon CITY", "山の上の城", "."]), min_size=1).map(
        ", ".join
    ),
).filter(lambda text: text.strip() != "")


def content(text: str) -> list[str]:
    """The words of a text that mean something."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return [word for word in words if word not in FUNCTION_WORDS]


# --- the phrases ---------------------------------------------------------------------------


@EVERY
def test_phrases_of_two_slots_share_no_word(style: Style) -> None:
    owners = Counter(
        word for slot in style.slots for word in {word for each in slot for word in content(each)}
    )
    assert [word for word, count in owners.items() if count > 1] == []


@EVERY
def test_slots_offer_a_choice_of_plain_phrases(style: Style) -> None:
    for slot in style.slots:
        assert len(set(slot)) == len(slot) >= 4
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9 /-]+[a-z]", phrase) for phrase in slot)


@EVERY
def test_a_short_prompt_stays_far_below_what_other_servers_allow(style: Style) -> None:
    longest = sum(2 + max(map(len, slot)) for slot in style.slots)
    assert longest <= 250


# --- what comes of a prompt ----------------------------------------------------------------


@EVERY
def test_a_plain_prompt_gets_a_phrase_for_every_slot(style: Style) -> None:
    prompt, *phrases = expand("a castle", style, MAX_LENGTH).split(", ")
    assert prompt == "a castle"
    assert len(phrases) == len(style.slots)
    for phrase, slot in zip(phrases, style.slots, strict=True):
        assert phrase in slot


def test_the_text_is_the_same_in_every_process_and_version() -> None:
    assert expand("a castle", STYLES["fantasy"], MAX_LENGTH) == (
        "a castle, mythic fantasy art, ruins overgrown with ivy, shimmering fireflies, "
        "veils of mist, twilight glow, storybook wonder, painterly brushwork, intricate detail"
    )


@EVERY
def test_different_prompts_get_different_phrases(style: Style) -> None:
    prompts = [f"house number {number}" for number in range(40)]
    added = {expand(each, style, MAX_LENGTH).removeprefix(each) for each in prompts}
    assert len(added) >= 35


def test_styles_differ() -> None:
    texts = {expand("a castle", style, MAX_LENGTH) for style in STYLES.values()}
    assert len(texts) == len(STYLES) == 6


def test_words_that_the_prompt_has_are_not_said_again() -> None:
    text = expand("NEON signs over a Cyberpunk street at midnight", STYLES["cyberpunk"], MAX_LENGTH)
    assert [len(re.findall(word, text, re.I)) for word in ("neon", "cyberpunk", "midnight")] == [
        1, 1, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "start"),
    [
        ("a castle", "a castle, s"),
        (" a castle\n", "a castle, s"),
        ("A castle.", "A castle. S"),
        ("a castle!", "a castle! S"),
        ("a castle,", "a castle, s"),
        ("山の上の城。", "山の上の城。 S"),
        ("замок на холме", "замок на холме, s"),
        ("قلعة على تل", "قلعة على تل, s"),
        ("🏰", "🏰, s"),
        ("<lora:ink:0.8> (castle:1.2) {x} %s", "<lora:ink:0.8> (castle:1.2) {x} %s, s"),
    ],
)
def test_phrases_follow_as_the_prompt_ends(prompt: str, start: str) -> None:
    one = Style("one", "One", "", (("soft light",),))
    assert expand(prompt, one, MAX_LENGTH) == f"{start}oft light"


def test_a_slot_is_filled_by_any_of_its_phrases() -> None:
    style = Style("one", "One", "", (("oil painting", "matte canvas"), ("pale fog",)))
    assert expand("an Oil_Painting of mist", style, 99) == "an Oil_Painting of mist, pale fog"
    assert expand("an oily painting", style, 99) == "an oily painting, matte canvas, pale fog"


@given(PROMPTS, ANY)
def test_the_same_prompt_gives_the_same_text_with_the_prompt_in_front(
    prompt: str, style: Style
) -> None:
    text = expand(prompt, style, MAX_LENGTH)
    assert text == expand(prompt, style, MAX_LENGTH)
    assert text.startswith(prompt.strip())


@given(PROMPTS, ANY)
def test_nothing_that_is_added_repeats_a_word(prompt: str, style: Style) -> None:
    text = expand(prompt, style, MAX_LENGTH)
    added = content(text.removeprefix(prompt.strip()))
    assert set(added).isdisjoint(content(prompt))
    phrases = text.removeprefix(prompt.strip()).split(", ")
    for one, other in pairwise(phrases):
        assert set(content(one)).isdisjoint(content(other))


@given(PROMPTS, ANY, st.integers(0, 400))
def test_a_text_that_was_expanded_stays_as_it_is(prompt: str, style: Style, limit: int) -> None:
    text = expand(prompt, style, limit)
    assert expand(text, style, limit) == text


@given(PROMPTS, ANY, st.integers(0, 400))
def test_the_limit_holds_unless_the_prompt_alone_exceeds_it(
    prompt: str, style: Style, limit: int
) -> None:
    text = expand(prompt, style, limit)
    assert len(text) <= max(limit, len(prompt.strip()))


@EVERY
def test_the_longest_prompt_comes_back_as_it_is(style: Style) -> None:
    prompt = "castle " * 285 + "hills"
    assert len(prompt) == MAX_LENGTH
    assert expand(prompt, style, MAX_LENGTH) == prompt


def test_the_list_has_every_style_with_what_it_makes() -> None:
    styles = listed()
    assert [style["name"] for style in styles] == [
        "cyberpunk", "anime", "realistic", "fantasy", "sci-fi", "enhance",
    ]  # fmt: skip
    for style in styles:
        assert style["example"] == expand(SAMPLE, STYLES[style["name"]], MAX_LENGTH)
