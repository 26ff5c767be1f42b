"""`<lora:…>` inside prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.lora_tags import LoraTag, decimal, tag_of, take_out


@pytest.mark.parametrize(
    ("prompt", "rest"),
    [
        ("a, <lora:x:1>, b", "a, b"),
        ("a,<lora:x>,b", "a, b"),
        ("a <lora:x:1> b", "a b"),
        ("a<lora:x>b", "ab"),
        ("<lora:x:1> a", "a"),
        ("<lora:x>, a", "a"),
        ("a, <lora:x:1>", "a"),
        ("a <lora:x>", "a"),
        ("<lora:x>", ""),
        ("a\n<lora:x>, b", "a\nb"),
        ("a, <lora:x>\nb", "a,\nb"),
        ("(a <lora:x>:1.2)", "(a :1.2)"),
        ("a <lyco:x:1> b", "a b"),
    ],
)
def test_a_tag_comes_out_and_its_hole_is_closed(prompt: str, rest: str) -> None:
    text, tags = take_out(prompt)
    assert text == rest
    assert [tag.name for tag in tags] == ["x"]


@pytest.mark.parametrize(
    ("prompt", "rest"),
    [("a, <lora:x> <lora:y:.5:1>, b", "a, b"), ("a <lora:x>, b <lora:y:.5:1>", "a, b")],
)
def test_several_tags(prompt: str, rest: str) -> None:
    assert take_out(prompt) == (rest, [LoraTag("x"), LoraTag("y", (".5", "1"))])


@pytest.mark.parametrize(
    "prompt", ["", " a, b ", "<lora:x", "<LORA:x>", "a < lora:x > b", "<hypernet:x:1>"]
)
def test_what_is_no_tag_stays_as_it_is(prompt: str) -> None:
    assert take_out(prompt) == (prompt, [])


def test_a_tag_is_read_as_it_was_written() -> None:
    prompt = "<lora: My style v2 : 0.8 :nonsense:>"
    assert take_out(prompt)[1] == [LoraTag("My style v2", ("0.8", "nonsense", ""))]
    assert take_out("<lora:>")[1] == [LoraTag("")]
    assert str(LoraTag("x", ("0.8", "1"))) == "<lora:x:0.8:1>"


@given(st.text(max_size=40), st.floats(-2, 2))
def test_a_written_tag_is_read_again(name: str, weight: float) -> None:
    tag = tag_of(name, weight)
    text, (read,) = take_out(f"a {tag} b")
    assert (text, read) == ("a b", tag)
    assert float(read.numbers[0]) == weight


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimals_lose_nothing_and_have_no_exponent(number: float) -> None:
    written = decimal(number)
    assert float(written) == number
    assert "e" not in written.lower()


def test_decimals_are_short() -> None:
    assert [decimal(number) for number in (1.0, 0.8, -2.0, 1e-7)] == ["1", "0.8", "-2", "0.0000001"]
