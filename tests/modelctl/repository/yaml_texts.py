"""Texts that are YAML or nearly: data written in every notation, and lines of random tokens."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from hypothesis import strategies as st

# What readers disagree about, what they agree about, and what is no YAML.
SCALARS = (
    *("a?b", "{a?b}", "[a?]", "{a: b?c}", "[a:b]", "[a::b]", "{a:b: c}", "[a: ]", "{a,b}"),
    *("yes", "No", "ON", "off", "y", "N", "yEs", "true", "True", "TRUE", "tRue", "false", "~"),
    *(
        "null",
        "Null",
        "nULL",
        "0",
        "-0",
        "+0",
        "1",
        "-1",
        "+1",
        "007",
        "08",
        "0o17",
        "0O17",
        "0x1F",
    ),
    *("0b101", "0b2", "1_000", "_1", "1_", "1,000", "1.0", "1.50", "0.5", "-0.25", ".5", "5.", "."),
    *("1e3", "1E-3", "1.5e+3", "1e400", "e3", "12e", "0x", "0xg", "+.inf", ".INF", ".nan", "-.5"),
    *("9007199254740992", "9007199254740993", "18446744073709551616", "0.1234567890123456789"),
    *("9" * 300, "9" * 400, "1_" + "9" * 400, "0x" + "f" * 400, "0" + "7" * 500, "-" + "9" * 20),
    *("12:30:45", "1:2", "190:20:30.15", "12:61", "2026-11-25", "2026-1-2", "2026-11-25 10:00:00"),
    *("2026-11-25T10:00:00Z", "2026-11-25t10:00:00.5+01:00", "2026-13-45", "20261125", "1.2.3"),
    *(
        "1.0.0-rc.1",
        "500m",
        "192Mi",
        "sha256:12e4",
        "10.0.0.0/8",
        "<<",
        "=",
        "-",
        "--",
        "---",
        "...",
    ),
    *(
        "a b",
        "a#b",
        "a #b",
        "a:b",
        "a: b",
        "a :b",
        "@a",
        "`a",
        "%a",
        "&a",
        "*a",
        "!a",
        "!!str 1",
        "!",
    ),
    *(
        "'a'",
        "'it''s'",
        '"a"',
        '"\\t\\u0041\\x41"',
        '"\\ud800"',
        '"\\',
        "'",
        '"',
        "''",
        '""',
        "'1'",
    ),
    *(
        "|",
        ">-",
        "|2",
        "|+",
        "{}",
        "[]",
        "{a: 1}",
        "[1, yes]",
        "{a}",
        "{a: }",
        "[a: b]",
        "{a:1}",
        "[",
    ),
    *(
        "{'a':1}",
        '{"a":1}',
        "[a, ]",
        "[, a]",
        "? a",
        "?a",
        "-a",
        "- a",
        ": a",
        ":a",
        "a,b",
        "ä",
        "😀",
    ),
    *("\u00a0", "\u0085", "\u2028", "\ufeff", "\ufffe", "\0", "\a", "\t", "a\tb", "\x7f", "\r"),
    *(
        "",
        "a  b",
        "a:",
        "a:\tb",
        "#",
        "# a",
        "a\\b",
        "\\",
        "a'b",
        'a"b',
        "0 1",
        "1 #",
        "it's",
        "<<x",
    ),
)
KEYS: tuple[str, ...] = (
    "a",
    "b",
    "a-b",
    "a.b",
    "a/b",
    "'a'",
    '"b"',
    "<<",
    "'<<'",
    "y",
    "on",
    "1",
    "1.5",
    "null",
    "~",
)
KEYS += (
    "2026-11-25",
    "true",
    "? a",
    "[a]",
    "{a: b}",
    "&k a",
    "*k",
    "!!str a",
    "a b",
    "ä",
    "",
    "- a",
)

_characters = st.sampled_from("aby01e.:-_+~#'\"{}[],&*!|>%@`?=<\\/ \n\t")
_scalar = st.sampled_from(SCALARS) | st.text(_characters, max_size=8)
_key = st.sampled_from(KEYS) | st.sampled_from(SCALARS)
_number_like = st.from_regex(r"\A[-+]?[0-9._:eExobTZ,-]{1,12}\Z")
_plain_key = st.text(st.sampled_from("cdefghi"), min_size=1, max_size=6)
_plain_value = st.sampled_from(["1", "a", "true", "'1'", '"a"', "0.5", "{}", "[a]", "a b"])


def _mostly(usual: object, odd: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Four times out of five what is usual: a text with one oddity is read further."""
    often = usual if isinstance(usual, st.SearchStrategy) else st.just(usual)
    return st.integers(0, 4).flatmap(lambda number: odd if number == 0 else often)


_line = st.builds(
    "{}{}{}{}{}{}".format,
    _mostly("", st.sampled_from([" ", "  ", "    ", "\t"])),
    _mostly("", st.sampled_from(["- ", "-", "? "])),
    _mostly(_plain_key, _key),
    _mostly(": ", st.sampled_from([":", " : ", ":  ", " ", ": - ", ":\t", ":\n  ", ": |\n "])),
    _mostly(_plain_value, _scalar),
    _mostly("", st.sampled_from([" # c", "#c", " ", ",", "\n  a", "\n\n a: b"])),
)
_break = _mostly(
    "\n", st.sampled_from(["\n\n", "\r\n", "\n---\n", "\n...\n", "\n# c\n", "\n   \n", "\r"])
)

lines = st.lists(st.tuples(_line, _break), max_size=6).map(
    lambda pairs: "".join(f"{line}{end}" for line, end in pairs)
)
one_value = st.builds("a: {}\n".format, _scalar | _number_like)

_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
_leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e6, 1e6, width=32).map(lambda number: float(f"{number:.6f}"))
    | st.sampled_from(SCALARS)
    | _text
)
data = st.recursive(
    st.dictionaries(_text | st.sampled_from(SCALARS), _leaf, max_size=4),
    lambda inner: st.dictionaries(
        _text | st.sampled_from(KEYS),
        inner | _leaf | st.lists(inner | _leaf | st.lists(_leaf, max_size=2), max_size=3),
        max_size=4,
    ),
    max_leaves=8,
)


@st.composite
def notations(draw: st.DrawFn) -> str:
    """A mapping in one of the many ways of writing it: block, flow, quotes, folded, literal."""
    return "\n".join(_mapping(draw, draw(data), 3)) + "\n"


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A mapping in which a few characters were replaced, as by a slip."""
    text = draw(notations())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 2)))
        text = text[:start] + str(draw(_scalar)) + text[end:]
    return text


def _mapping(draw: st.DrawFn, content: dict[str, Any], depth: int) -> list[str]:
    rows = []
    for key, value in content.items():
        name = _written(draw, key, is_key=True)
        below = _block(draw, value, depth)
        if below is None:
            rows.append(f"{name}: {_written(draw, value)}{draw(st.sampled_from(['', '  # c']))}")
        else:
            rows += [f"{name}:{below[0]}", *below[1:]]
    return rows or ["{}"]


def _block(draw: st.DrawFn, value: Any, depth: int) -> list[str] | None:
    """The value below its key: what follows the colon, then lines."""
    indent = draw(st.sampled_from(["  ", " ", "    "]))
    if isinstance(value, str) and draw(st.booleans()):
        mark = draw(st.sampled_from(["|", ">", "|-", ">-", "|+", ">+"]))
        return [f" {mark}", *textwrap.indent(value, indent, lambda _: True).split("\n")]
    if depth and isinstance(value, dict) and value and draw(st.booleans()):
        return ["", *(indent + row for row in _mapping(draw, value, depth - 1))]
    if depth and isinstance(value, list) and value and draw(st.booleans()):
        dash = draw(st.sampled_from(["- ", "-   "]))
        rows = []
        for item in value:
            if isinstance(item, dict) and item:
                first, *rest = _mapping(draw, item, depth - 1)
                rows += [dash + first, *(" " * len(dash) + row for row in rest)]
            else:
                rows.append(dash + _written(draw, item))
        indent = draw(st.sampled_from(["", indent]))
        return ["", *(indent + row for row in rows)]
    return None


def _written(draw: st.DrawFn, value: Any, *, is_key: bool = False) -> str:
    """The value in one line."""
    if isinstance(value, dict):
        pairs = (f"{_written(draw, k, is_key=True)}: {_written(draw, v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(draw, item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    style = draw(st.sampled_from(["plain", "single", "double", "raw"]))
    if style == "plain" and not is_key:
        return value
    if style == "single":
        return "'" + value.replace("'", "''") + "'"
    if style == "raw":
        return f'"{value}"'
    return json.dumps(value, ensure_ascii=draw(st.booleans()))
