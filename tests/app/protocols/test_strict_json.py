"""Strict JSON by itself: a document means one thing only, at whatever level a key repeats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import RequestError
from app.protocols.strict_json import parse


def refusal(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as refused:
        parse(body)
    return refused.value


DOCUMENTS: list[Any] = [
    *[{}, [], None, 1, "a:b", {"a": 1}, {"a": {"b": 2}}, {"a": ":", "b": "::"}],
    {"instances": [{"x": 1, "y": "a:b"}, {"x": 2, "y": ":"}]},
    {"instances": [[1, 2], [3, 4]], "signature_name": "a:b"},
    {"inputs": [{"name": "x", "parameters": {"a": 1, "b": ":"}, "data": [":", 1]}]},
    {"a": {"b": {"c": {"d": [{"e": {"f": 1}}]}}}},
    {"same": {"same": {"same": 1}}, "other": [{"same": 1}, {"same": 2}]},
    [{"a": 1}, {"a": 2}],
    [[{"a": 1, "b": {"a": 1}}]],
    {"": 1, "ä": {"": ":"}, "\\": 1, '"': ":"},
    {"a": [1, {"b": 1, "c": 2}], "d": [None, {"b": 1}]},
    {"a": [{"parameters": [{"x": 1}]}, {"parameters": {"x": 1}}, "parameters", {"x": ":"}]},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_is_read_as_it_is(document: Any) -> None:
    assert parse(json.dumps(document).encode()) == document
    assert parse(json.dumps(document, ensure_ascii=False, indent=2).encode()) == document


# What our protocols' clients send: every key of these is seen without a second look.
PLAIN = [
    {"features": [1, 2]},
    {"features": {"a": 1, "b": 2}, "more": {"c": 3}},
    {"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}, 5, {"a": 5, "b": 6}]},
    {"inputs": [{"name": "x", "parameters": {"a": 1, "b": 2}}, {"name": "y", "parameters": {}}]},
    {"id": "1", "inputs": [{"name": "x", "data": [1]}], "outputs": [{"name": "p"}], "none": []},
]


@pytest.mark.parametrize("document", PLAIN)
def test_a_plain_document_is_parsed_once(document: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(document).encode()

    def parsed_again(*_: Any, **__: Any) -> None:
        raise AssertionError("was parsed again, which takes several times as long")

    monkeypatch.setattr("app.protocols.strict_json.json.loads", parsed_again)
    assert parse(body) == document
    with pytest.raises(AssertionError, match="again"):
        parse(body.replace(b'"', b'":', 1))


REPEATED = [
    b'{"a": 1, "a": 1}',
    b'{"a": 1, "b": 2, "a": 3}',
    b'{"x": {"a": 1, "a": 2}}',
    b'{"x": [{"a": 1, "a": 2}]}',
    b'{"x": [{"b": 1}, {"a": 1, "a": 2}]}',
    b'{"x": [1, {"a": 1, "a": 2}]}',
    b'{"x": [[{"a": 1, "a": 2}]]}',
    b'[{"a": 1, "a": 2}]',
    b'{"inputs": [{"name": "x", "parameters": {"a": 1, "a": 2}}]}',
    b'{"inputs": [{"name": "x", "other": {"a": 1, "a": 2}}]}',
    b'{"parameters": {"a": 1, "a": 2}}',
    b'{"x": {"y": {"z": {"a": 1, "a": 2}}}}',
    b'{"a" : 1, "\\u0061":2}',
    b'{"a": {"b": 1}, "a": {}}',
    b'{"a": [{"b": 1, "c": 2}], "a": []}',
    b'{"a": 1e5, "a": 12345678901234567890}',
]


@pytest.mark.parametrize("body", REPEATED)
def test_a_key_given_twice_is_named_wherever_it_is(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.kind) == (422, "contract")
    assert [(entry.loc, entry.msg) for entry in error.errors] == [(("a",), "duplicate key")]


@pytest.mark.parametrize("body", REPEATED)
def test_colons_beside_a_repeated_key_do_not_hide_it(body: bytes) -> None:
    beside = b'{"more": "a:b", "text": [":", "::"], "one": %b}' % body
    assert [entry.loc for entry in refusal(beside).errors] == [("a",)]


def test_every_repeated_key_is_named_once_in_order() -> None:
    error = refusal(
        b'{"x": {"b": 1, "b": 2, "b": 3}, "a": 1, "a": 2, "c": 1, "y": {"b": 1, "b": 2}}'
    )
    assert [entry.loc for entry in error.errors] == [("b",), ("a",)]


def test_a_long_key_is_cut() -> None:
    (entry,) = refusal(b'{"%b": 1, "%b": 2}' % (b"k" * 1000, b"k" * 1000)).errors
    assert entry.loc == ("k" * 100,)


def test_depth_that_fits_is_read_although_it_is_looked_at_twice() -> None:
    # A colon in a string makes it look at every key.
    body = b'{"text": ":::", "deep": ' + b"[" * 400 + b"]" * 400 + b"}"
    assert parse(body)["text"] == ":::"


def test_too_deep_for_the_second_look_is_a_400() -> None:
    body = b'{"text": ":::", "deep": ' + b'{"a":' * 1020 + b"1" + b"}" * 1020 + b"}"
    error = refusal(body)
    assert (error.status, error.kind) == (400, "not-json")
    assert error.title
    assert error.detail


@pytest.mark.parametrize(
    ("body", "at"), [(b"{", 1), (b'{"a": 1,}', 7), (b'{"a": +1}', 6), (b"[1] 2", 4)]
)
def test_what_is_not_json_says_where(body: bytes, at: int) -> None:
    error = refusal(body)
    assert (error.status, error.kind) == (400, "not-json")
    assert error.title == "The body is not valid JSON"
    assert error.detail.endswith(f"at byte {at}")
    assert error.errors == []
