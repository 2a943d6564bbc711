"""Values to try at every key of the chart: what users may write, by mistake too.

Knows nothing of the schema and the guards, which are on trial, nor of what Kubernetes takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelctl.repository import placement
from tests.chart import entries
from tests.chart.test_generated import CONTEXT, defaults, merged
from tests.chart.test_nulls import ENTRIES, KEYS, tree
from tests.chart.test_objects import everything
from tests.documents import Keys, changed, nodes

Values = dict[str, Any]

# Whether there is time for each of them, as in `make test-all`.
ALL = os.environ.get("CHART_TRIALS") == "all"

STRINGS = (
    *("", "a", "A", "a-b", "a.b", "a_b", "a b", " a", "-a", "a-", ".a", "a.", "a/b", "a:b", "a=b"),
    *("a,b", "é", "a\nb", "a\n", "a\t", '"', "'", "#a", "a: b #c", "$(A)", "${A}", "*", "%", "~"),
    *("1", "0", "-1", "1.0", "1e3", "on", "null", "true", "5%", "150%", "500m", "1Gi", "1GiB"),
    *(
        "a" * 63,
        "a" * 64,
        "a" * 253,
        "a" * 254,
        "https://a.example/b",
        "a.example:443",
        "/a",
        "/a/",
    ),
    *("10.0.0.0/8", "10.0.0.1/8", "fd00::/8", "256.0.0.0/8", "{{ .Values.model.version }}", "5s"),
)
NUMBERS = (0, 1, 2, 3, -1, 0.5, 1.5, 100, 101, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**63, 10**30)
OTHERS: tuple[Any, ...] = (
    True,
    False,
    [],
    {},
    ["a"],
    ["a", "a"],
    ["a b"],
    [{}],
    [1],
    {"a": "b"},
    {"a": {}},
)
# Names of entries in maps that users extend; names of headers and labels may be any of STRINGS.
NAMES = ("a", "A", "a.b", "a_b", "a b", "-a", "1", "é", "a/b", "a" * 63, "a" * 64, "x" * 254)
# What users give their own objects and templates is theirs.
THEIRS = {"extraObjects", "global"}
# All entries at once render with a canary, and the test pod has no token for `istio.jwt`.
FREED: Values = {"security": {"allowPrivilegedExtensions": True}}
WITH_ENTRIES: Values = {"rollout": {"strategy": "canary"}, "test": {"enabled": False}}


@dataclass(frozen=True)
class Trial:
    """What is tried, and at which key."""

    keys: Keys
    value: Any

    @property
    def top(self) -> str:
        """The section of the values."""
        return str(self.keys[0])

    @property
    def path(self) -> str:
        """As a refusal names it: a list, not what stands in it."""
        keys = self.keys
        while isinstance(keys[-1], int):
            keys = keys[:-1]
        return ".".join(map(str, keys))

    def over(self, values: Values) -> Values:
        """These values with it in its place."""
        found: Values = changed(values, self.keys, self.value)
        return found

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.keys))}: {str(self.value)[:80]!r}"


@dataclass(frozen=True)
class Group:
    """What is tried with the same values around it, by key."""

    name: str
    values: Values
    trials: dict[Keys, list[Trial]]


def groups() -> list[Group]:
    """Everything that is tried."""
    found: dict[str, Group] = {}
    for keys in placement.leaves(defaults()):
        if keys[0] in THEIRS:
            continue
        values = everything()
        for length in range(1, len(keys) + 1):
            values = merged(values, CONTEXT.get(keys[:length], {}))
        group = found.setdefault(repr(values), Group(".".join(keys), values, {}))
        group.trials[keys] = _trials(keys)
    return [*found.values(), _entries(), *_large_entries()]


def pool() -> Iterator[Any]:
    """The values that are tried at each key."""
    yield from (*STRINGS, *NUMBERS, *OTHERS)


def _trials(keys: Keys) -> list[Trial]:
    return [Trial(keys, value) for value in pool()]


def _entries() -> Group:
    """Inside of entries that users add, and their names."""
    own = {path: entry for path, entry in ENTRIES.items() if path.split(".")[0] not in THEIRS}
    added = tree(own)
    values = merged(merged(everything(), WITH_ENTRIES), added)
    trials: dict[Keys, list[Trial]] = {keys: _trials(keys) for keys in placement.leaves(added)}
    for path, entry in own.items():
        above = tuple(path.split("."))
        keys = (*above, "<name>")
        trials[keys] = [Trial((*above, name), entry) for name in NAMES]
        assert KEYS.get(path) not in NAMES
    return Group("entries", values, trials)


def _large_entries() -> Iterator[Group]:
    """Inside of what Kubernetes has, in a namespace that takes all of it."""
    for name, added in entries.TOGETHER.items():
        values = merged(merged(everything(), FREED), added)
        # Nothing of a group stands in another thing of it.
        apart: dict[str, dict[Keys, list[Trial]]] = {}
        for keys, node in nodes(added):
            if not keys:
                continue
            part = f"{name}-{len(keys)}" if isinstance(node, dict | list) and node else name
            apart.setdefault(part, {})[keys] = _trials(keys)
        for part, trials in apart.items():
            yield Group(part, values, trials)
