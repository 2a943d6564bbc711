"""Families and their label values -> places in one array of numbers, and that array -> text.

Every series is known before the first request, so counting is adding to a place, and /metrics has
all of them at 0 from the start. Knows nothing of processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.observability.metrics.families import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Layout:
    """The places of all series. A histogram has one for each bucket, then one for its sum."""

    def __init__(self) -> None:
        self.size = 0
        self.series = 0
        self._families: dict[str, Family] = {}
        self._lines: dict[str, list[tuple[int, list[bytes]]]] = {}
        self._maxima: list[int] = []
        self._live: list[int] = []

    def add(self, family: Family, *values: str) -> int:
        """Reserve the places of one series; returns the first."""
        first, labels = self.size, dict(zip(family.labels, values, strict=True))
        self._families[family.name] = family
        names = self._names(family, labels)
        self.size += 1 if family.kind != "histogram" else len(family.buckets) + 2
        self.series += len(names)
        self._lines.setdefault(family.name, []).append((first, names))
        places = range(first, self.size)
        if family.over_workers == "max":
            self._maxima += places
        if family.live:
            self._live += places
        return first

    def add_hidden(self) -> int:
        """Reserve one live place that no series shows."""
        self.size += 1
        self._live.append(self.size - 1)
        return self.size - 1

    @property
    def live(self) -> list[int]:
        """The places that a worker clears when it ends."""
        return self._live

    def counts(self) -> dict[str, int]:
        """Family -> how many series it has."""
        return {name: sum(len(names) for _, names in lines) for name, lines in self._lines.items()}

    def families(self) -> list[Family]:
        """Those that have a series, in the order they were added."""
        return list(self._families.values())

    def together(self, workers: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The numbers of several workers as one: added up, or the largest."""
        stack = np.stack(workers)
        total: NDArray[np.float64] = stack.sum(axis=0)
        total[self._maxima] = stack[:, self._maxima].max(axis=0)
        return total

    def text(self, numbers: NDArray[np.float64]) -> bytes:
        """The numbers in Prometheus' text format."""
        values = numbers.tolist()
        parts = []
        for name, lines in self._lines.items():
            family = self._families[name]
            parts.append(f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode())
            if family.kind == "histogram":
                for first, names in lines:
                    last = first + len(names) - 2
                    parts += _histogram(names, values[first:last], values[last])
            else:
                parts += [b"%b %b\n" % (names[0], _number(values[at])) for at, names in lines]
        return b"".join(parts)

    def _names(self, family: Family, labels: dict[str, str]) -> list[bytes]:
        """Name and labels of each line of a series."""
        if family.kind != "histogram":
            return [_name(family.name, labels)]
        bounds = [*map(_bound, family.buckets), "+Inf"]
        buckets = [_name(f"{family.name}_bucket", {**labels, "le": bound}) for bound in bounds]
        return [
            *buckets,
            _name(f"{family.name}_sum", labels),
            _name(f"{family.name}_count", labels),
        ]


def _histogram(names: list[bytes], buckets: list[float], total: float) -> list[bytes]:
    """Its lines: each bucket counts what is in those before it too, and the last one is the count.

    So they agree with each other whatever a worker adds while they are read.
    """
    lines, counted = [], 0.0
    for name, value in zip(names, buckets, strict=False):
        counted += value
        lines.append(b"%b %b\n" % (name, _number(counted)))
    lines.append(b"%b %b\n" % (names[-2], _number(total)))
    lines.append(b"%b %b\n" % (names[-1], _number(counted)))
    return lines


def _name(name: str, labels: dict[str, str]) -> bytes:
    if not labels:
        return name.encode()
    pairs = ",".join(f'{key}="{value.translate(ESCAPES)}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}".encode()


def _bound(value: float) -> str:
    return repr(value)


def _number(value: float) -> bytes:
    return b"%d" % value if value.is_integer() else repr(value).encode()
