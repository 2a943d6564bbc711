"""environments/ is complete and every key stands in the file it belongs to."""

from __future__ import annotations

import pytest
import yaml

from modelctl.promotion import check
from modelctl.repository import placement
from modelctl.repository.checkout import Repository
from tests import rendering
from tests.paths import ROOT

MARKERS = placement.read_markers(rendering.CHART / "values.yaml")


def test_everything_under_environments_is_in_order() -> None:
    """By the rules that a pull request has to pass; a fork may leave a model out at the end."""
    assert rendering.releases()
    assert check.file_violations(Repository.find(ROOT)) == []


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
        f"{file.relative_to(ROOT)}: {'.'.join(keys)}"
        for file in files
        for keys in placement.leaves(yaml.safe_load(file.read_text(encoding="utf-8")))
        if placement.kind_of(keys, MARKERS) != kind
    ]
    assert strays == []
