"""A body that is not JSON is refused in words that say what to send instead, and where."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from app.errors import RequestError
from app.protocols.strict_json import parse
from tests.app.protocols.test_native import post

if TYPE_CHECKING:
    from flask.testing import FlaskClient

NUMPY = "a printed numpy array is not JSON: send array.tolist()"
PYTHON = "this is Python, not JSON: write it with json.dumps"
SECOND = 'a second document is not JSON: send the rows as one document, {"instances": [...]}'
DEEP = "nested too deeply: expected at most 1024 levels"
EMPTY = "the body is empty: expected a JSON document"
DOCUMENT = '{"features": [5.1, 3.5, 1.4, 0.2]}'


def detail(body: bytes) -> str:
    """Why a body is not JSON."""
    with pytest.raises(RequestError) as refused:
        parse(body)
    error = refused.value
    assert (error.status, error.kind, error.title) == (
        400,
        "not-json",
        "The body is not valid JSON",
    )
    return error.detail


@pytest.mark.parametrize(
    "token",
    ["NaN", "nan", "NAN", "Infinity", "-Infinity", "inf", "-inf", "-NaN", "NA", "<NA>", "NaT",
     "undefined"],
)  # fmt: skip
@pytest.mark.parametrize("start", ['{"features": [', '{"é€": "NaN\\" [NaN", "b": [1, ', "["])
def test_a_number_that_is_none_is_named_with_its_place(start: str, token: str) -> None:
    place = len(start.encode())
    for end in ("]}", ", 1]}", "\n]}"):
        body = f"{start}{token}{end}".encode()
        assert detail(body) == f"{token} is not JSON: send null (at byte {place})"


def test_what_python_writes_is_such_a_body() -> None:
    body = json.dumps({"features": [5.1, float("nan"), float("-inf")]}).encode()
    assert detail(body) == "NaN is not JSON: send null (at byte 19)"


@pytest.mark.parametrize(
    "body",
    [b'"NaN', b'["\\NaN"]', b'["a\x01NaN"]', b'{"NaN" NaN2}', b'["NaN", "NaN" "NaN"]', b"[NaNa]"],
)
def test_the_word_nan_within_a_string_or_another_word_is_not_meant(body: bytes) -> None:
    assert "send null" not in detail(body)


@pytest.mark.parametrize("text", [b"5.", b"-", b"1 ", b"[1, "])
def test_a_fault_within_a_string_is_no_hint_at_what_stands_before(text: bytes) -> None:
    for fault in (b"\x01", b"\\q", b"\\ud800"):
        found = detail(b'["%b%b"]' % (text, fault))
        assert found.endswith(f"at byte {2 + len(text)}")
        assert "(" not in found


def test_the_word_nan_is_a_string_like_others() -> None:
    assert parse(b'{"NaN": "NaN"}') == {"NaN": "NaN"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{'features': [1]}", f"{PYTHON} (at byte 1)"),
        (b'{"features": (1, 2)}', f"{PYTHON} (at byte 13)"),
        (b"{\"island\": b'x'}", f"{PYTHON} (at byte 11)"),
        (b'{"features": [np.float64(5.1)]}', f"{PYTHON} (at byte 14)"),
        (b'{"sex": None}', "None is Python, not JSON: send null (at byte 8)"),
        (b"[True]", "True is Python, not JSON: send true (at byte 1)"),
        (b"[False]", "False is Python, not JSON: send false (at byte 1)"),
        (b"array([[5.1, 3.5]])", f"{NUMPY} (at byte 0)"),
        (b'{"features": [5.1 3.5 1.4]}', f"expected a comma; {NUMPY} (at byte 18)"),
        (b"[5.1\n -3.5]", f"expected a comma; {NUMPY} (at byte 6)"),
        (b"[5. 3.]", "a number ends in a digit: write 5.0, not 5. (at byte 3)"),
        (b"[5.]", "a number ends in a digit: write 5.0, not 5. (at byte 3)"),
        (b'{"a": 1} // x', "comments are not JSON: leave them out (at byte 9)"),
        (b'{"a": 1}\n{"a": 2}\n', f"{SECOND} (at byte 9)"),
        (b"[1][2]", f"{SECOND} (at byte 3)"),
        (b"[1]]", "unexpected content after document at byte 3"),
        (b"[1,]", "trailing comma is not allowed at byte 2"),
        (b'{"a": 1, }', "trailing comma is not allowed at byte 7"),
        (b"", EMPTY),
        (b" \r\n\t", EMPTY),
        (b"\xef\xbb\xbf", EMPTY),
        (b"\xef\xbb\xbf[NaN]", "NaN is not JSON: send null (at byte 4)"),
        (b'["\xfc"]', "expected UTF-8, found another encoding at byte 2"),
        (b"\xef\xbb\xbf[\xfc]", "expected UTF-8, found another encoding at byte 4"),
        (DOCUMENT.encode("utf-16"), "expected UTF-8, found UTF-16"),
        (DOCUMENT.encode("utf-16-le"), "expected UTF-8, found UTF-16"),
        (DOCUMENT.encode("utf-16-be"), "expected UTF-8, found UTF-16"),
        (DOCUMENT.encode("utf-32"), "expected UTF-8, found UTF-32"),
        (DOCUMENT.encode("utf-32-be"), "expected UTF-8, found UTF-32"),
        (b"[" * 2000, DEEP),
        (b"[" * 2000 + b"]" * 2000, DEEP),
        (b'{"a":' * 2000, DEEP),
    ],
)
def test_a_fault_is_named_with_what_to_send_instead(body: bytes, expected: str) -> None:
    assert detail(body) == expected


def test_only_one_byte_order_mark_is_ignored() -> None:
    assert parse(b"\xef\xbb\xbf[1]") == [1]
    assert "at byte 3" in detail(b"\xef\xbb\xbf" * 300_000)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 500_000,
        b'"' * 1_000_000,
        b'"\\' * 500_000,
        b"[" + b'"a",' * 250_000 + b"NaN]",
        b'"a"' + b" " * 1_000_000 + b":",
        b'{"a":' * 200_000,
        b" " * 1_000_000 + b"'",
        b'["\\",' * 160_000,
    ],
    ids=range(8),
)
def test_a_megabyte_of_anything_is_refused_quickly(body: bytes) -> None:
    started = time.process_time()
    detail(body)
    # A tenth of a second at most here; what is quadratic takes minutes.
    assert time.process_time() - started < 5


def test_values_that_have_colons_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed_again(*_: object, **__: object) -> None:
        raise AssertionError("was parsed again, which takes several times as long")

    monkeypatch.setattr("app.protocols.strict_json.json.loads", parsed_again)
    row = {"at": "2026-11-26T05:36:00", "url": "https://x.example:1/"}
    for document in ({"features": row}, {"instances": [row, row]}, [row, row], row):
        for text in (json.dumps(document), json.dumps(document, indent=2)):
            assert parse(text.replace('":', '" \t:').encode()) == document


def test_a_string_is_named_where_a_number_is_expected(iris: FlaskClient) -> None:
    (entry,) = post(iris, {"features": ["5.1", 3.5, 1.4, 0.2]}).get_json()["errors"]
    assert entry["msg"] == "expected a number, found a string"
