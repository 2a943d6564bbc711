"""The order of promotion as a graph: from which environments each one takes its versions.

Works on names only. An environment may come after environments listed above it, so that the list
stays in the order of promotion and cannot contain a cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Entry = tuple[str, Sequence[str] | None]


def previous(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """The names before each name; without `after` it is the name listed above, if any."""
    before: dict[str, tuple[str, ...]] = {}
    above: tuple[str, ...] = ()
    for name, after in entries:
        before[name] = above if after is None else tuple(after)
        above = (name,)
    return before


def following(before: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Every name that a version of `name` may reach later, in the order of `before`."""
    reached = {name}
    for other, names in before.items():
        if not reached.isdisjoint(names):
            reached.add(other)
    return [other for other in before if other in reached and other != name]


def problems(entries: Sequence[Entry]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the order: the keys below the list of entries, and the message."""
    names = [name for name, _ in entries]
    before = previous(entries)
    for index, (name, after) in enumerate(entries):
        if index == 0 and after:
            yield (
                (index, "after"),
                f"'{name}' is the first environment, which takes new builds: expected no `after`; "
                "list it below the environments that it comes after",
            )
        elif index and after is not None and not after:
            yield (
                (index, "after"),
                f"'{name}' comes after no environment: expected the name of one listed above, "
                f"found []; new builds enter '{names[0]}' only",
            )
        for position, other in enumerate(after or ()):
            problem = _problem(names, before, name, other)
            if other in list(after or ())[:position]:
                problem = f"'{other}' is named twice"
            if problem:
                yield (index, "after", position), problem


def _problem(
    names: Sequence[str], before: Mapping[str, Sequence[str]], name: str, other: str
) -> str:
    if other == name:
        return f"'{name}' cannot come after itself"
    if other not in names:
        return f"unknown environment '{other}': expected one of {', '.join(names)}"
    if names.index(other) < names.index(name):
        return ""
    if _leads(before, name, other):
        return f"a cycle: '{name}' comes after '{other}', which comes after '{name}'"
    return f"'{other}' is listed below '{name}', which comes after it: list '{other}' above"


def _leads(before: Mapping[str, Sequence[str]], name: str, other: str) -> bool:
    """Whether `other` comes after `name`, whatever the order of the list."""
    seen: set[str] = set()
    waiting = [other]
    while waiting:
        one = waiting.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            waiting += before.get(one, ())
    return False
