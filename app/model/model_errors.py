"""What a client is told of an exception that the model's own code raised.

The text is the library's, or the user's. It may quote the request's values, which no answer echoes,
list the texts of training (`expected: ['a', 'b']`), and carry a native stack trace with paths of
the image. What remains says which feature it is about.
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
# A shorter text may be a word of the message.
MIN_WORD = 3


def told(error: Exception, given: Any) -> str:
    """The first line of an exception about `given`, with its class, without any value."""
    lines = str(error).strip().splitlines()
    values = _texts(given)
    line = LIST.sub(HIDDEN, lines[0][: 10 * MAX_LENGTH]) if lines else ""
    line = ONE.sub(lambda found: values.get(found[0][1:-1], found[0]), line)
    words = [value for value in values if len(value) >= MIN_WORD and value in line]
    if words:
        longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        line = re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda found: values[found[0]], line)
    name = type(error).__name__
    return (f"{name}: {line}" if line else name)[:MAX_LENGTH]


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
