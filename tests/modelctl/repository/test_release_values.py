"""The values of a release are those that Helm merges from the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import release_values
from modelctl.repository.checkout import Repository
from tests import rendering

DEFAULTS: dict[str, Any] = {"a": {"x": 1, "m": {"z": 2}}, "b": [1, 2], "c": "text"}


@pytest.mark.parametrize(
    ("common", "settings"),
    [
        pytest.param({}, {}, id="defaults"),
        pytest.param({"a": {"x": 3}}, {"a": {"m": {"w": 4}}}, id="maps-are-merged"),
        pytest.param({"b": [3]}, {"c": "other"}, id="lists-are-replaced"),
        pytest.param({"a": {"m": {"z": 3}}}, {"a": {"m": {"z": 4}}}, id="the-last-file-wins"),
        pytest.param({"a": {"x": 3}}, {"a": {}}, id="an-empty-map-changes-nothing"),
        pytest.param({"a": {"x": None}}, {}, id="null-removes-a-default"),
        pytest.param({"a": {"x": 3}}, {"a": {"x": None}}, id="null-removes-a-value"),
        pytest.param({"a": {"m": None}}, {"a": {"m": {"w": 1}}}, id="null-that-is-replaced"),
    ],
)
def test_values_are_merged_as_helm_merges_them(
    released: Path, common: dict[str, Any], settings: dict[str, Any]
) -> None:
    chart = released / "charts/ml-model"
    (chart / "values.yaml").write_text(yaml.safe_dump(DEFAULTS))
    (chart / "templates").mkdir()
    (chart / "templates/values.yaml").write_text("values: {{ toJson .Values | quote }}\n")
    chart.joinpath("Chart.yaml").write_text("apiVersion: v2\nname: ml-model\nversion: 0.1.0\n")
    (released / "environments/dev/common.yaml").write_text(yaml.safe_dump(common))
    (released / "environments/dev/iris/settings.yaml").write_text(yaml.safe_dump(settings))
    repository = Repository.find(released)
    environment = repository.environment("dev")
    files = repository.value_files(environment, "iris")
    (rendered,) = rendering.template("helm4", chart, "iris", "ml", *rendering.values(*files))
    found = release_values.read(repository, environment, "iris")
    assert _without_null(found) == json.loads(rendered["values"])
    given = repository.version(environment, "iris")
    assert given is not None
    assert release_values.text(found, "image.tag") == "1.0.0"
    changed = given.model_copy(update={"model": given.model.model_copy(update={"version": "2"})})
    other = release_values.read(repository, environment, "iris", changed)
    assert release_values.text(other, "model.version") == "2"


def _without_null(values: Any) -> Any:
    """Helm removes what is null; for a reader of one value both are the same."""
    if not isinstance(values, dict):
        return values
    return {key: _without_null(value) for key, value in values.items() if value is not None}
