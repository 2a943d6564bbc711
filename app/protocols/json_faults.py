"""Say why a body is not JSON, and what its client probably meant to send.

Called only for bodies that orjson has refused, so it costs valid ones nothing. Everything here is
linear in the size of the body. A hint is given only for what stands outside of strings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import orjson

BOM = b"\xef\xbb\xbf"
# A whole string, or the rest of the body if it does not end.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
BLANKS = b" \t\r\n"
OF_NUMBERS = re.compile(rb"[-\d.]")
NULL = "send null"
PYTHON = "this is Python, not JSON: write it with json.dumps"
NUMPY = "a printed numpy array is not JSON: send array.tolist()"
ROWS = 'send the rows as one document, {"instances": [...]}'
# What stands where a value was expected -> what to do instead. `{}` is the text that was found.
FOUND = (
    (re.compile(rb"-?(?:NaN|nan|NAN|Infinity|infinity|inf)\b"), f"{{}} is not JSON: {NULL}"),
    (re.compile(rb"-?(?:NA|<NA>|NaT|undefined)(?!\w)"), f"{{}} is not JSON: {NULL}"),
    (re.compile(rb"None\b"), f"{{}} is Python, not JSON: {NULL}"),
    (re.compile(rb"True\b"), "{} is Python, not JSON: send true"),
    (re.compile(rb"False\b"), "{} is Python, not JSON: send false"),
    (re.compile(rb"array\("), NUMPY),
    (re.compile(rb"(?:np|numpy)\.\w{1,20}\("), PYTHON),
    (re.compile(rb"['(]|\w{1,3}'"), PYTHON),
    (re.compile(rb"//|/\*|#"), "comments are not JSON: leave them out"),
)  # fmt: skip


def describe(body: bytes, error: orjson.JSONDecodeError, start: int = 0) -> str:
    """What is wrong with a body that orjson refused, with the place in bytes.

    `start`: how many bytes the client sent before it.
    """
    if not body.strip(BLANKS):
        return "the body is empty: expected a JSON document"
    encoding = _other_encoding(body)
    if encoding:
        return f"expected UTF-8, found {encoding}"
    try:
        text = body.decode()
    except UnicodeDecodeError as fault:
        return f"expected UTF-8, found another encoding at byte {start + fault.start}"
    if "depth" in error.msg or "memory" in error.msg:
        # How orjson reports more levels than it reads: one of them or the other.
        return "nested too deeply: expected at most 1024 levels"
    at = len(text[: error.pos].encode())
    hint = ""
    if not _is_in_string(body, at):
        # orjson reports what follows a sign.
        at -= body[:at].endswith(b"-")
        hint = _hint(body, at, error.msg)
    where = f"at byte {start + at}"
    return f"{hint} ({where})" if hint else f"{error.msg} {where}"


def _other_encoding(body: bytes) -> str:
    """UTF-16 or UTF-32, with a byte order mark or by their zeros; JSON itself has none."""
    start = body[:4]
    if start.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")) or start.count(0) == 3:
        return "UTF-32"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or (start[:1] == b"\0") != (
        start[1:2] == b"\0"
    ):
        return "UTF-16"
    return ""


def _hint(body: bytes, at: int, message: str) -> str:
    """What to send instead of what stands at this byte; empty if that is unclear."""
    for pattern, text in FOUND:
        found = pattern.match(body, at)
        if found:
            return text.format(found[0].decode())
    after = body[at : at + 1]
    if "after document" in message:
        return f"a second document is not JSON: {ROWS}" if after in (b"{", b"[") else ""
    before = body[:at].rstrip(BLANKS)
    if OF_NUMBERS.fullmatch(after) and OF_NUMBERS.fullmatch(before[-1:]) and len(before) < at:
        return f"expected a comma; {NUMPY}"
    if before[-1:] == b"." and before[-2:-1].isdigit():
        return "a number ends in a digit: write 5.0, not 5."
    return ""


def _is_in_string(body: bytes, at: int) -> bool:
    """Whether this byte is inside of a string, after its opening quote."""
    for string in STRING.finditer(body):
        if string.start() >= at:
            return False
        if at < string.end():
            return True
    return False
