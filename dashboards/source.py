"""Ask a Prometheus what a panel asks: variables filled in, as Grafana fills them in."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class QueryError(Exception):
    """Prometheus does not take a query."""


@dataclass(frozen=True)
class Series:
    """The labels of a series, and its values at moments (seconds since the epoch)."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]

    def legend(self, template: str) -> str:
        """Its name in the legend."""
        if not template:
            name = self.labels.get("__name__", "")
            return name or ", ".join(f"{k}={v}" for k, v in sorted(self.labels.items())) or "value"
        found = re.sub(r"\{\{(\w+)\}\}", lambda match: self.labels.get(match[1], ""), template)
        return " ".join(found.split())


@dataclass(frozen=True)
class Source:
    """A Prometheus, the time that is shown, and the values of variables."""

    url: str
    variables: Mapping[str, str]
    start: float
    end: float
    step: float

    def fill(self, text: str) -> str:
        """The text with values for variables; one that has none stays."""
        return VARIABLE.sub(lambda found: self.variables.get(found[1] or found[2], found[0]), text)

    def range(self, expr: str) -> list[Series]:
        """The series over the shown time. Raises QueryError."""
        ask = {"query": self.fill(expr), "start": self.start, "end": self.end, "step": self.step}
        return [
            Series(entry["metric"], *_split(entry["values"]))
            for entry in self._get("query_range", ask)
        ]

    def now(self, expr: str) -> list[Series]:
        """The series at its end. Raises QueryError."""
        ask = {"query": self.fill(expr), "time": self.end}
        return [
            Series(entry["metric"], *_split([entry["value"]])) for entry in self._get("query", ask)
        ]

    def _get(self, what: str, ask: Mapping[str, object]) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode(ask).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}", query, timeout=60) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            raise QueryError(f"{ask['query']}: {error.read().decode()[:500]}") from error


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels that show data."""
    return (panel for panel in document["panels"] if panel["type"] != "row")


def answers(source: Source, target: dict[str, Any]) -> list[Series]:
    """What one query of a panel shows. Raises QueryError."""
    expr = target["expr"]
    return source.now(expr) if target.get("instant") else source.range(expr)


def finite(series: Series) -> bool:
    """Whether there is a number in it."""
    return any(math.isfinite(value) for value in series.values)


def _split(samples: list[tuple[float, str]]) -> tuple[list[float], list[float]]:
    return [float(moment) for moment, _ in samples], [float(value) for _, value in samples]
