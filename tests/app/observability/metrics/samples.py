"""What /metrics says, read by prometheus-client's parsers."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

Key = tuple[str, tuple[tuple[str, str], ...]]
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def read(text: str) -> dict[Key, float]:
    """Name and labels -> value, of format 0.0.4. Fails when a series is there twice."""
    return {key: one.value for key, one in _by_key(text_string_to_metric_families(text)).items()}


def read_openmetrics(text: str) -> dict[Key, Sample]:
    """Name and labels -> sample, with its exemplar. Fails when a series is there twice."""
    return _by_key(families(text))


def families(text: str) -> list[Metric]:
    """The families of OpenMetrics. Fails for a text that breaks a rule of the format."""
    parse = openmetrics.text_string_to_metric_families
    return list(parse(text))  # type: ignore[no-untyped-call] # the library gives it no types


def total(samples: dict[Key, float], name: str, **labels: str) -> float:
    """The sum of all series of that name that have these labels."""
    wanted = labels.items()
    return sum(value for (own, has), value in samples.items() if own == name and wanted <= {*has})


def by(samples: dict[Key, float], name: str, label: str, **labels: str) -> dict[str, float]:
    """The values of one label -> the series with these other labels."""
    found = {}
    for (own, has), value in samples.items():
        if own == name and labels.items() <= {*has}:
            found[dict(has)[label]] = value
    return found


def _by_key(listed: Iterable[Metric]) -> dict[Key, Sample]:
    samples: dict[Key, Sample] = {}
    for family in listed:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, key
            samples[key] = sample
    return samples
