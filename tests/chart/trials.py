"""Values to try at every key of the chart: what users may write, by mistake too.

Knows nothing of the schema and the guards, which are on trial, nor of what Kubernetes takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelctl.repository import placement
from tests.chart.test_generated import CONTEXT, defaults, merged
from tests.chart.test_nulls import ENTRIES, KEYS, tree
from tests.chart.test_objects import everything
from tests.documents import changed

Values = dict[str, Any]

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
# Objects of Kubernetes as they are: what stands below is looked at by the cluster alone.
RAW = (
    ("affinity", "*"),
    ("autoscaling", "metrics", "*"),
    ("keda", "triggers", "*"),
    ("networkPolicy", "egress", "*"),
    ("volumes", "*", "source"),
)
# All entries at once render with a canary, and the test pod has no token for `istio.jwt`.
WITH_ENTRIES: Values = {"rollout": {"strategy": "canary"}, "test": {"enabled": False}}


@dataclass(frozen=True)
class Trial:
    """What is tried, and at which key."""

    keys: tuple[str, ...]
    value: Any

    @property
    def top(self) -> str:
        """The section of the values."""
        return self.keys[0]

    def over(self, values: Values) -> Values:
        """These values with it in its place."""
        return changed(values, self.keys, self.value)

    def __str__(self) -> str:
        return f"{'.'.join(self.keys)}: {str(self.value)[:80]!r}"


@dataclass(frozen=True)
class Group:
    """What is tried with the same values around it, by key."""

    values: Values
    trials: dict[tuple[str, ...], list[Trial]]


def groups() -> list[Group]:
    """Everything that is tried."""
    found: dict[str, Group] = {}
    for keys in placement.leaves(defaults()):
        if keys[0] in THEIRS:
            continue
        values = everything()
        for length in range(1, len(keys) + 1):
            values = merged(values, CONTEXT.get(keys[:length], {}))
        group = found.setdefault(repr(values), Group(values, {}))
        group.trials[keys] = [Trial(keys, value) for value in pool()]
    return [*found.values(), _entries()]


def pool() -> Iterator[Any]:
    """The values that are tried at each key."""
    yield from (*STRINGS, *NUMBERS, *OTHERS)


def _entries() -> Group:
    """Inside of entries that users add, and their names."""
    own = {path: entry for path, entry in ENTRIES.items() if path.split(".")[0] not in THEIRS}
    added = tree(own)
    values = merged(merged(everything(), WITH_ENTRIES), added)
    trials = {
        keys: [Trial(keys, value) for value in pool()]
        for keys in placement.leaves(added)
        if not any(_is_below(keys, raw) for raw in RAW)
    }
    for path, entry in own.items():
        above = tuple(path.split("."))
        keys = (*above, "<name>")
        trials[keys] = [Trial((*above, name), entry) for name in NAMES]
        assert KEYS.get(path) not in NAMES
    return Group(values, trials)


def _is_below(keys: tuple[str, ...], raw: tuple[str, ...]) -> bool:
    """Whether a key is inside of what is Kubernetes' own."""
    return len(keys) > len(raw) and all(
        part in ("*", key) for part, key in zip(raw, keys, strict=False)
    )
