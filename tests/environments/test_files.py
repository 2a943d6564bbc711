"""environments/ is complete and every key stands in the file it belongs to."""

from __future__ import annotations

import pytest
import yaml

from modelctl import placement
from tests import rendering

MARKERS = placement.read_markers(rendering.CHART / "values.yaml")


def test_every_environment_is_set_up_for_every_model() -> None:
    """Set up, not released: a model without a version file is not released there yet."""
    models = {model for _, model in rendering.releases()}
    assert models
    expected = [(e["name"], model) for e in rendering.environments() for model in sorted(models)]
    assert rendering.releases() == expected


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("*/common.yaml", "settings"),
        ("*/*/settings.yaml", "settings"),
        ("*/*/capacity.yaml", "capacity"),
    ],
)
def test_files_hold_the_keys_of_their_kind_alone(pattern: str, kind: str) -> None:
    files = sorted(rendering.ENVIRONMENTS.glob(pattern))
    assert files
    strays = [
        f"{file.relative_to(rendering.ROOT)}: {'.'.join(keys)}"
        for file in files
        for keys in placement.leaves(yaml.safe_load(file.read_text(encoding="utf-8")))
        if placement.kind_of(keys, MARKERS) != kind
    ]
    assert strays == []
