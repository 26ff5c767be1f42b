"""Reading the JSON object of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from server.errors import MalformedRequest, UnsupportedMediaType
from server.http.json_body import MAX_DEPTH, parse_object, read_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(), values))
def test_reads_what_json_writes(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary())
def test_bytes_are_an_object_or_malformed(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except MalformedRequest as error:
        assert error.message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (b'{"a": -Infinity}', "-Infinity is no number there"),
        (b'{"a": ["\\udc00"]}', "surrogate"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_says_what_is_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        parse_object(body)


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * depth + b"1" + b"}" * depth

    parse_object(nested(MAX_DEPTH - 1))
    with pytest.raises(MalformedRequest, match="nested too deeply"):
        parse_object(nested(MAX_DEPTH))


def request(content_type: str | None) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    headers = [] if content_type is None else [(b"content-type", content_type.encode())]
    return Request({"type": "http", "headers": headers}, receive)


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"],
)
async def test_json_types(content_type: str | None) -> None:
    assert await read_object(request(content_type)) == {}


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "json"])
async def test_other_types(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        await read_object(request(content_type))
