"""The values of a batch keep the promises of values.yaml: explained, not null, with an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart import batches, jobs, least
from tests.chart.test_generated import merged
from tests.documents import changed, walk

DEFAULTS: dict[str, Any] = yaml.safe_load(
    (rendering.CHART / "files" / "batch.yaml").read_text(encoding="utf-8")
)
BATCH = {"batch": {"nightly": batches.RIGHT}}


def test_page_is_the_one_that_the_values_describe() -> None:
    jobs.require_page("BATCH.md", "files/batch.yaml")


def test_the_schema_has_the_keys_that_have_a_default() -> None:
    jobs.require_keys("batch", DEFAULTS)


def test_no_default_is_null() -> None:
    assert [path for path, value in walk(DEFAULTS) if value is None] == []


# What has to be otherwise for a value to matter.
CONTEXT: dict[placement.Keys, dict[str, Any]] = {
    ("image", "registry"): {"image": {"repository": "a", "tag": "1"}},
    ("metrics", "port"): {"metrics": {"enabled": True}},
}
OTHERS: dict[str, Any] = {
    "string": "1",
    "affinity": {"nodeAffinity": {}},
    "inputs": {"x": "s3://x"},
    "env": {"X": "x"},
    "envFrom": {"x": {"secretRef": {"name": "x"}}},
    "volumes": {"x": {"source": {"emptyDir": {}}, "mountPath": "/x"}},
    "tolerations": {"x": {"operator": "Exists"}},
    "egress": {"x": {"ports": [{"port": 1}]}},
    "nodeSelector": {"x": "x"},
    "podLabels": {"x": "x"},
    "podAnnotations": {"x": "x"},
}


@pytest.mark.parametrize("keys", list(placement.leaves(DEFAULTS)), ids=".".join)
def test_value_has_an_effect(tmp_path: Path, keys: placement.Keys) -> None:
    """Whatever a user changes changes the manifests or is refused."""
    rules = {"metrics": {"rules": {"enabled": True, "runbookUrl": "https://a"}}}
    right = merged(batches.RIGHT, CONTEXT.get(keys, {}))
    before = least.result({**rules, "batch": {"nightly": right}}, tmp_path)
    assert before.code == 0, before.stderr
    full = merged(DEFAULTS, right)
    after = least.result(
        {**rules, "batch": {"nightly": changed(full, keys, other(full, keys))}}, tmp_path
    )
    assert after.stdout != before.stdout


def other(values: dict[str, Any], keys: placement.Keys) -> Any:
    """A value of the same kind as the one there is."""
    node: Any = values
    for key in keys:
        node = node[key]
    if isinstance(node, bool):
        return not node
    if isinstance(node, int):
        return node + 1
    if isinstance(node, list):
        return [*node, "x"]
    if isinstance(node, dict):
        return node | OTHERS[keys[-1]]
    return "x"


def test_the_defaults_written_out_render_the_same(tmp_path: Path) -> None:
    """What is false, 0 or empty is a value as any other."""
    written = {"batch": {"nightly": merged(DEFAULTS, batches.RIGHT)}}
    assert least.result(written, tmp_path).stdout == least.result(BATCH, tmp_path).stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backoffLimitPerIndex", 0),
        ("ttlSecondsAfterFinished", 0),
        ("successfulJobsHistoryLimit", 0),
    ],
)
def test_zero_is_a_value(tmp_path: Path, key: str, value: int) -> None:
    values = {"batch": {"nightly": merged(batches.RIGHT, {key: value})}}
    spec = rendering.only(least.manifests(values, tmp_path), "CronJob")["spec"]
    assert (spec | spec["jobTemplate"]["spec"])[key] == 0


def test_nulls_leave_nothing(tmp_path: Path) -> None:
    """Of a batch, and of what an earlier file added to one."""
    added = {
        key: value
        for key, value in OTHERS.items()
        if key not in ("string", "affinity") and key in DEFAULTS
    }
    nulls = {key: dict.fromkeys(value) for key, value in added.items()}
    jobs.require_nulls_leave_nothing("batch", batches.RIGHT, added, nulls, tmp_path)
