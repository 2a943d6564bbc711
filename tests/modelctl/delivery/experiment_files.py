"""An experiment for tests, as the text of its file, with parts replaced."""

from pathlib import Path
from typing import Any

from modelctl.repository import yamlfile
from modelctl.repository.experiments import Experiment

CONTENT: dict[str, Any] = {
    "hypothesis": "The forest is accepted more often.",
    "owner": "@ml-team",
    "unit": {"header": "x-user-id"},
    "arms": {"primary": 50, "forest": 50},
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-15T00:00:00Z",
    "plannedUnits": 8000,
    "metrics": [
        {
            "name": "accepted",
            "kind": "proportion",
            "direction": "increase",
            "minimumEffect": 0.02,
            "baseline": 0.1,
        }
    ],
}


def experiment(**parts: Any) -> Experiment:
    """The sample experiment with these keys replaced."""
    return Experiment.model_validate({**CONTENT, **parts})


def metric(**parts: Any) -> dict[str, Any]:
    """The sample metric with these keys replaced."""
    return {**CONTENT["metrics"][0], **parts}


def mean(**parts: Any) -> dict[str, Any]:
    """A metric that is a mean."""
    base = {"name": "revenue", "kind": "mean", "direction": "increase", "minimumEffect": 0.2}
    return {**base, "standardDeviation": 2.0, **parts}


def from_text(text: str) -> Experiment:
    """The experiment of a file with this text, through the strict reader."""
    return yamlfile.validate_strict(Experiment, Path("experiment.yaml"), text)
