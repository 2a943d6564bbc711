"""What /metrics says, read by prometheus-client's parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, tuple[tuple[str, str], ...]]


def read(text: str) -> dict[Key, float]:
    """Name and labels -> value. Fails when a series is there twice."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


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
