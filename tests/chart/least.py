"""What the chart renders of values over the least ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests import rendering

MINIMAL = rendering.CHART / "tests" / "values" / "minimal.yaml"


def result(values: dict[str, Any], folder: Path) -> rendering.Result:
    """What Helm answers."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    arguments = rendering.values(MINIMAL, file)
    return rendering.try_template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)


def manifests(values: dict[str, Any], folder: Path) -> list[rendering.Manifest]:
    """The objects."""
    found = result(values, folder)
    assert found.code == 0, found.stderr
    return rendering.parse(found.stdout)
