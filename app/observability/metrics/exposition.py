"""Numbers of all workers -> what a scraper reads; the only module that knows prometheus-client.

Nothing of this runs while a request is counted. Of the library we use the text formats and its
model of a family; not its counters, its registry or its multiprocess mode, and not its negotiation,
which names any version that it is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from prometheus_client import Metric
from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CONTENT_TYPE_PLAIN_1_0_0,
    generate_latest,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.registry import Collector

    from app.observability.metrics.families import Family
    from app.observability.metrics.layout import Series, SlotLayout
    from app.observability.metrics.shared_exemplars import TracedValue

    Encoder = Callable[[Collector], bytes]
    # The traced values of these slots.
    Lookup = Callable[[Sequence[int]], Mapping[int, TracedValue]]

OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"
# What we write, by the type and version that a scraper asks for; the first is for everybody else.
FORMATS: dict[tuple[str, str], tuple[Encoder, str]] = {
    (TEXT, "0.0.4"): (generate_latest, CONTENT_TYPE_PLAIN_0_0_4),
    (TEXT, "1.0.0"): (generate_latest, CONTENT_TYPE_PLAIN_1_0_0),
    (OPENMETRICS, "1.0.0"): (
        # Legal names, and ours are, read the same under both schemes; this one is written faster.
        partial(openmetrics.generate_latest, escaping=openmetrics.ALLOWUTF8),
        openmetrics.CONTENT_TYPE_LATEST,
    ),
}
# The version of a type that is asked for without one.
VERSIONS = {TEXT: "0.0.4", OPENMETRICS: "1.0.0", "text/*": "0.0.4", "*/*": "0.0.4"}
# Schemes that change no legal name. `dots` would rewrite them all; a scraper that asks for it, or
# for one that we do not know, is told that it got the first.
SCHEMES = (openmetrics.UNDERSCORES, openmetrics.ALLOWUTF8)
# A weight of RFC 9110, section 12.4.2.
WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")
# The suffixes that belong to a family's samples, not to its name.
SUFFIXES = {"counter": "_total", "info": "_info"}


class Source(Protocol):
    """Another part of this process that counts."""

    def collect(self) -> Iterator[Metric]:
        """Its metrics, for each scrape."""


@dataclass(frozen=True)
class Template:
    """All of a family that no scrape changes: names and labels of its samples, by first slot."""

    family: Family
    stem: str
    unit: str
    series: tuple[tuple[int, tuple[tuple[str, dict[str, str]], ...]], ...]


class Exposition:
    """The series of a layout, in the format that a scraper asks for."""

    def __init__(self, layout: SlotLayout, created: float, lookup: Lookup | None) -> None:
        """`created`: when counting began. `lookup`: None where no request is traced."""
        self._templates = [_template(family, own) for family, own in layout.series.items()]
        self._created = created
        self._lookup = lookup
        self._exemplar_slots = layout.exemplar_slots
        # Of other parts of this process, such as a consumer of a queue.
        self.others: list[Source] = []

    def render(self, accept: str, values: Sequence[float]) -> tuple[bytes, str]:
        """The text and its content type, for the header `Accept` and the value of each slot.

        `_created` and exemplars are OpenMetrics'. In the older format the library would write
        `_created` as gauges: half as many series again for scrapers that make nothing of them.
        """
        encoder, content_type = negotiate(accept)
        if not content_type.startswith(OPENMETRICS):
            return encoder(self._scrape(values, None, {})), content_type
        traced = {} if self._lookup is None else self._lookup(self._exemplar_slots)
        return encoder(self._scrape(values, self._created, traced)), content_type

    def _scrape(
        self,
        values: Sequence[float],
        created: float | None,
        traced: Mapping[int, TracedValue],
    ) -> Scrape:
        return Scrape(self._templates, values, created, traced, self.others)


class Scrape:
    """The families of one scrape, for the library to write."""

    def __init__(
        self,
        templates: Sequence[Template],
        values: Sequence[float],
        created: float | None,
        traced: Mapping[int, TracedValue],
        others: Sequence[Source],
    ) -> None:
        self._templates = templates
        self._values = values
        self._created = created
        self._traced = traced
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """Called by the library."""
        for template in self._templates:
            family = template.family
            metric = Metric(template.stem, family.help, family.kind, template.unit)
            for slot, names in template.series:
                if family.kind == "histogram":
                    metric.samples += self._histogram(slot, names)
                else:
                    metric.samples.append(Sample(*names[0], self._values[slot]))
                if self._created is not None and family.has_created:
                    metric.samples.append(
                        Sample(f"{template.stem}_created", names[-1][1], self._created)
                    )
            yield metric
        for other in self._others:
            yield from other.collect()

    def _histogram(self, first: int, names: Sequence[tuple[str, dict[str, str]]]) -> list[Sample]:
        """Each bucket counts what is in those before it too, and the last one is the count.

        So they agree with each other whatever a worker adds while they are read.
        """
        samples, count = [], 0.0
        *buckets, named_count, named_sum = names
        for slot, (name, labels) in enumerate(buckets, first):
            count += self._values[slot]
            samples.append(Sample(name, labels, count, None, self._exemplar(slot)))
        samples.append(Sample(*named_count, count))
        samples.append(Sample(*named_sum, self._values[first + len(buckets)]))
        return samples

    def _exemplar(self, slot: int) -> Exemplar | None:
        traced = self._traced.get(slot)
        if traced is None:
            return None
        return Exemplar({"trace_id": traced.trace_id}, traced.value, traced.timestamp)


def negotiate(accept: str) -> tuple[Encoder, str]:
    """How to write what this header asks for, and the content type of exactly that.

    Of the formats that we write, the one with the highest weight, the first of several; the older
    text where there is none, because a scraper makes more of it than of a status 406.
    https://prometheus.io/docs/instrumenting/content_negotiation
    """
    encoder, content_type, best = *FORMATS[TEXT, "0.0.4"], 0.0
    for entry in accept.lower().split(","):
        name, *words = (word.strip() for word in entry.split(";"))
        named = (word.partition("=")[::2] for word in words)
        parameters = {key.strip(): value.strip().strip('"') for key, value in named}
        version = parameters.get("version") or VERSIONS.get(name, "")
        written = FORMATS.get((TEXT if name in ("text/*", "*/*") else name, version))
        weight = parameters.get("q", "1")
        rank = float(weight) if WEIGHT.fullmatch(weight) else 1.0
        if written is None or rank <= best:
            continue
        best, (encoder, content_type) = rank, written
        if version == "1.0.0":
            asked = parameters.get("escaping")
            content_type += f"; escaping={asked if asked in SCHEMES else SCHEMES[0]}"
    return encoder, content_type


def _template(family: Family, series: Sequence[Series]) -> Template:
    stem = family.name.removesuffix(SUFFIXES.get(family.kind, ""))
    # OpenMetrics has a unit only at the end of the name, and the library would put it there.
    unit = family.unit if stem.endswith(f"_{family.unit}") else ""
    return Template(family, stem, unit, tuple((own.slot, _names(family, own)) for own in series))


def _names(family: Family, series: Series) -> tuple[tuple[str, dict[str, str]], ...]:
    """Name and labels of each sample of a series; the last one's labels are the series' own."""
    if family.kind != "histogram":
        return ((family.name, series.labels),)
    bounds = [*map(repr, family.buckets), "+Inf"]
    return (
        *((f"{family.name}_bucket", {**series.labels, "le": bound}) for bound in bounds),
        (f"{family.name}_count", series.labels),
        (f"{family.name}_sum", series.labels),
    )
