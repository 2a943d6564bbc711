"""What a variant file may say: one variant, image and model as in a version file."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.repository import variants
from tests.modelctl.conftest import DIGEST_A, variant
from tests.paths import ROOT

FILE = Path("variants/forest.yaml")


def test_a_variant_has_a_version_and_a_share() -> None:
    found = variants.parse(FILE, variant("forest", 10))
    assert (found.name, found.version, found.share, found.role) == ("forest", "1.0.0", 10, "10 %")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param("  forest:", "  tree:", "variants.forest", id="another-name"),
        pytest.param("share: 10", "share: 101", "less than or equal to 100", id="share"),
        pytest.param("share: 10", "share: 1.5", "valid integer", id="half"),
        pytest.param("share: 10", "shares: 10", "not permitted", id="typo"),
        pytest.param("share: 10", "share: 10\n    mirror: {percent: 1}", "found both", id="roles"),
        pytest.param("share: 10", "mirror: {percent: 0}", "greater than", id="mirror"),
        pytest.param("share: 10", "match: {header: 'a b'}", "match pattern", id="header"),
        pytest.param("share: 10", "replicaCount: -1", "greater than", id="replicas"),
        pytest.param(f"digest: {DIGEST_A}", "digest: sha256:1", "match pattern", id="digest"),
        pytest.param("repository: registry.example/iris", "repository: A", "pattern", id="image"),
        pytest.param("share: 10", "chart: {version: 0.1.0}", "not permitted", id="chart"),
        pytest.param("variants:", "variants: &a", "anchor", id="anchor"),
    ],
)
def test_a_wrong_file_is_refused(before: str, after: str, message: str) -> None:
    text = variant("forest", 10)
    assert before in text
    with pytest.raises(ModelctlError) as refused:
        variants.parse(FILE, text.replace(before, after, 1))
    assert message in str(refused.value)


def test_two_variants_in_one_file_are_refused() -> None:
    text = variant("forest") + variant("tree").removeprefix("variants:\n")
    with pytest.raises(ModelctlError, match="at most 1 item"):
        variants.parse(FILE, text)


@pytest.mark.parametrize("name", ["Forest", "-a", "a-", "", "canary", "primary", "a" * 42, "a.b"])
def test_a_name_that_objects_cannot_have_is_refused(name: str) -> None:
    assert variants.name_violation("iris", name)


@pytest.mark.parametrize("name", ["forest", "b", "2", "a" * 41, "rf-100"])
def test_other_names_are_fine(name: str) -> None:
    assert variants.name_violation("iris", name) == ""


def test_names_that_are_reserved_are_those_that_the_chart_refuses() -> None:
    guards = ROOT / "charts/ml-model/templates/requirements-variants.yaml"
    (line,) = (each for each in guards.read_text().splitlines() if "$reserved := list" in each)
    assert {word.strip('"') for word in line.split("list ")[1].split(" -}}")[0].split()} == (
        variants.RESERVED
    )
