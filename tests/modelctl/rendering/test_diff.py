"""Rendered objects before against after: complete, quiet, and without a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelctl.rendering import compare
from modelctl.rendering.diff import changes
from tests.documents import changed
from tests.modelctl.conftest import run

CONFIG: dict[str, Any] = {
    "kind": "ConfigMap",
    "metadata": {"name": "iris", "namespace": "ml-dev", "labels": {"helm.sh/chart": "ml-model-1"}},
    "data": {"LOG_LEVEL": "info"},
}
SECRET: dict[str, Any] = {
    "kind": "Secret",
    "metadata": {"name": "token"},
    "stringData": {"a": "hunter2", "b": "same"},
}


def test_a_changed_value_is_shown_with_its_object() -> None:
    (change,) = changes([CONFIG], [changed(CONFIG, ("data", "LOG_LEVEL"), "debug")])
    assert (change.kind, change.object) == ("changed", "ConfigMap/iris")
    assert "-  LOG_LEVEL: info\n+  LOG_LEVEL: debug\n" in change.text


def test_added_and_removed_objects_are_named() -> None:
    found = changes([CONFIG], [SECRET])
    assert [(change.kind, change.object) for change in found] == [
        ("removed", "ConfigMap/iris"),
        ("added", "Secret/token"),
    ]


def test_namespace_and_chart_label_are_no_difference() -> None:
    other = changed(CONFIG, ("metadata", "namespace"), "ml-production")
    other = changed(other, ("metadata", "labels", "helm.sh/chart"), "ml-model-2")
    assert changes([CONFIG], [other]) == []


def test_a_secret_shows_that_it_changed_and_never_what_it_is() -> None:
    (change,) = changes([SECRET], [changed(SECRET, ("stringData", "a"), "hunter3")])
    assert "-  a: (secret, before)\n+  a: (secret, after)\n   b: (secret)" in change.text
    assert "hunter" not in change.text


def test_the_command_says_it_in_json_too(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"dev-iris": changes([CONFIG], [changed(CONFIG, ("data", "LOG_LEVEL"), "debug")])}
    rows = [compare.ReleaseChange("dev", "iris", found["dev-iris"])]
    monkeypatch.setattr(compare, "against", lambda *_: rows)
    answer = json.loads(run("diff", "--base", "HEAD", "--output", "json"))
    assert answer["dev-iris"][0]["object"] == "ConfigMap/iris"
    assert run("diff", "--base", "HEAD").startswith("=== dev-iris\nchanged ConfigMap/iris\n")
