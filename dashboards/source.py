"""Run the queries of a panel, with variables replaced as Grafana does."""

from __future__ import annotations

import json
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
    """Prometheus rejected a query."""


@dataclass(frozen=True)
class Series:
    """The labels of a series, and its values at times (seconds since the epoch)."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]

    def legend(self, template: str) -> str:
        """Return its name in the legend."""
        if not template:
            name = self.labels.get("__name__", "")
            return name or ", ".join(f"{k}={v}" for k, v in sorted(self.labels.items())) or "value"
        name = re.sub(r"\{\{(\w+)\}\}", lambda match: self.labels.get(match[1], ""), template)
        return " ".join(name.split())


@dataclass(frozen=True)
class Source:
    """A Prometheus, the selected time range, and the values of variables."""

    url: str
    variables: Mapping[str, str]
    start: float
    end: float
    step: float

    def fill(self, text: str) -> str:
        """Replace variables by their values; unknown ones stay."""
        return VARIABLE.sub(lambda match: self.variables.get(match[1] or match[2], match[0]), text)

    def range(self, expr: str) -> list[Series]:
        """Return the series over the selected range. Raises QueryError."""
        parameters = {
            "query": self.fill(expr),
            "start": self.start,
            "end": self.end,
            "step": self.step,
        }
        return [
            Series(entry["metric"], *_split(entry["values"]))
            for entry in self._get("query_range", parameters)
        ]

    def instant(self, expr: str) -> list[Series]:
        """Return the series at the end of the selected range. Raises QueryError."""
        parameters = {"query": self.fill(expr), "time": self.end}
        return [
            Series(entry["metric"], *_split([entry["value"]]))
            for entry in self._get("query", parameters)
        ]

    def _get(self, endpoint: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{endpoint}"
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(url, body, timeout=60) as response:  # noqa: S310
                result: list[dict[str, Any]] = json.load(response)["data"]["result"]
                return result
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters['query']}: {error.read().decode()[:500]}") from error


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the panels that show data."""
    return (panel for panel in document["panels"] if panel["type"] != "row")


def results(source: Source, target: dict[str, Any]) -> list[Series]:
    """Return the series of one query of a panel. Raises QueryError."""
    expr = target["expr"]
    return source.instant(expr) if target.get("instant") else source.range(expr)


def _split(samples: list[tuple[float, str]]) -> tuple[list[float], list[float]]:
    return [float(time) for time, _ in samples], [float(value) for _, value in samples]
