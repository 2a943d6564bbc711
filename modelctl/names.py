"""What may have been meant by an unknown name: the nearest few of the known ones, and how many."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_LISTED = 8
MAX_NEAR = 3


def expectation(name: str, known: Collection[str]) -> str:
    """All known names if they are few, else the nearest ones and how many there are."""
    near = nearest(name, known)
    if not known:
        return "one of (none)"
    if len(known) <= MAX_LISTED:
        return f"one of {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else "")
    if near:
        return f"one of {len(known):,} names; did you mean {' or '.join(near)}?"
    return f"one of {len(known):,} names; none is similar"


def nearest(name: str, known: Collection[str]) -> list[str]:
    """The names most like an unknown one, best first: those that begin with it before others."""
    longer = sorted(each for each in known if name and each.startswith(name))
    return list(dict.fromkeys([*longer, *difflib.get_close_matches(name, known, MAX_NEAR)]))[
        :MAX_NEAR
    ]
