"""What a client is told of an exception that the model's own code raised.

The text is the library's, or the user's. It may quote the request's values, which no answer echoes,
list the texts of training (`expected: ['a', 'b']`), and carry places in source code, a native stack
trace and paths of the image. What remains says which feature it is about, without Python's names.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

MAX_LENGTH = 300
HIDDEN = "..."
QUOTED = r"(?:'[^']*'|\"[^\"]*\"|`[^`]*`)"
# What stands in brackets, or several texts in a row: the values that an encoder knows.
LIST = re.compile(rf"\[[^\[\]]+\]|\{{[^{{}}]+\}}|{QUOTED}(?:\s*(?:,|and|or)+\s*{QUOTED})+")
ONE = re.compile(QUOTED)
# How XGBoost, LightGBM and CatBoost begin: time or level, then a place in their source.
PREFIX = re.compile(
    r"^(?:\[(?:\d\d:\d\d:\d\d|LightGBM|Fatal|Warning)\]\s*)*(?:\S*[\\/]\S*\.\w+:\d+:\s*)?"
)
PATH = re.compile(r"(?<![\w/\\.])(?:[A-Za-z]:)?(?:[\\/][\w.+-]+){2,}")
NUMPY_TEXT = re.compile(r"np\.str_\((.*?)\)")
# A shorter text may be a word of the message.
MIN_WORD = 3


def told(error: Exception, given: Any) -> str:
    """The first line of an exception about `given`, without any value."""
    values = _texts(given)
    message = str(error)
    if isinstance(error, KeyError):
        # Python gives the key alone, in quotes; pandas a sentence.
        key = str(error.args[0]) if error.args else ""
        if key in values or " " not in key:
            return f"unknown value {values.get(key, '')}".strip()
        message = key
    lines = message.strip().splitlines()
    if not lines:
        return "no reason given"
    line = PATH.sub(HIDDEN, PREFIX.sub("", lines[0][: 10 * MAX_LENGTH]))
    line = LIST.sub(HIDDEN, NUMPY_TEXT.sub(r"\1", line))
    line = ONE.sub(lambda found: values.get(found[0][1:-1], found[0]), line)
    words = [value for value in values if len(value) >= MIN_WORD and value in line]
    if words:
        longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        line = re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda found: values[found[0]], line)
    return line[:MAX_LENGTH]


def _texts(given: Any) -> dict[str, str]:
    """The texts of a request, and what stands for each: the feature, where it has a name."""
    if hasattr(given, "columns"):
        return {
            value: f"<{name}>"
            for name, column in given.items()
            for value in column.tolist()
            if isinstance(value, str)
        }
    values = np.asarray(given, dtype=object).ravel().tolist()
    return {value: "<value>" for value in values if isinstance(value, str)}
