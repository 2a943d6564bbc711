"""A batch beside everything else that a release can have: nothing takes its pods for the model's.

Its values have tests of their own (`test_batch_values.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import rendering
from tests.chart import batches, jobs, least
from tests.chart.test_generated import merged
from tests.chart.test_objects import OTHER_WAYS, everything
from tests.documents import walk
from tests.schemas import Schemas

BATCH = {"batch": {"nightly": batches.RIGHT}}
SELECTORS = ("selector", "podSelector", "labelSelector", "workloadSelector")
# As Kubernetes names them: by the CronJob, by kubectl from a name of the user's, which may be that
# of the release.
PODS = ("iris-batch-nightly-29876543-0-x7k2p", "iris-0-x7k2p", "again-1-3-x7k2p")


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"metrics": {"monitor": "PodMonitor"}},
        *(way for way in OTHER_WAYS if "batch" not in way),
    ],
    ids=lambda way: "-".join(way) or "everything",
)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """Everything a release can have, in each way, and a batch."""
    values = merged(merged(everything(), request.param), BATCH)
    return least.manifests(values, tmp_path_factory.mktemp("batch"))


def selections(node: Any, above: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Where labels select pods, and which; peers of a policy that come from anywhere are none."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in SELECTORS and isinstance(value, dict):
                labels = value.get("matchLabels", value.get("labels", value))
                if labels:
                    yield f"{above}.{key}", labels
            else:
                yield from selections(value, f"{above}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from selections(value, f"{above}[{number}]")


def test_nothing_but_its_policy_selects_the_pods_of_a_batch(
    manifests: list[rendering.Manifest],
) -> None:
    """No Service, budget, monitor, policy, mesh object, spread or affinity, whatever else is on."""
    cronjob = next(
        each
        for each in rendering.of_kind(manifests, "CronJob")
        if "ml-model/batch" in each["metadata"]["labels"]
    )
    template = cronjob["spec"]["jobTemplate"]
    pods = template["spec"]["template"]["metadata"]["labels"]
    found, seen = [], set()
    for manifest in manifests:
        for path, labels in selections(manifest.get("spec", {})):
            seen.add(manifest["kind"])
            if labels.items() <= pods.items():
                found.append((manifest["kind"], manifest["metadata"]["name"], path))
    assert found == [("NetworkPolicy", "iris-batch-nightly", ".podSelector")]
    assert {"Service", "PodDisruptionBudget", "NetworkPolicy", "PeerAuthentication"} <= seen


def test_its_policy_selects_no_other_pod(manifests: list[rendering.Manifest]) -> None:
    policy = next(
        each
        for each in rendering.of_kind(manifests, "NetworkPolicy")
        if each["metadata"]["name"] == "iris-batch-nightly"
    )
    wanted = policy["spec"]["podSelector"]["matchLabels"].items()
    others = [
        node["metadata"]["labels"]
        for manifest in manifests
        if manifest["kind"] != "CronJob"
        for _, node in [("", manifest), *walk(manifest)]
        if isinstance(node, dict) and "labels" in node.get("metadata", {})
    ]
    assert len(others) > 5
    assert [labels for labels in others if wanted <= labels.items()] == []


def test_rules_of_the_release_do_not_count_its_pods(tmp_path: Path) -> None:
    """By their names; what has the name of the release is told apart by its container."""
    values = {"metrics": {"rules": {"enabled": True, "runbookUrl": "https://a"}}, **BATCH}
    rules = rendering.only(least.manifests(values, tmp_path), "PrometheusRule")["spec"]["groups"]
    text = json.dumps(rules).replace('\\"', '"')
    selectors = re.findall(r'pod=~"([^"]+)"([^{}]*)\}', text)
    assert len(selectors) > 3
    for pattern, more in selectors:
        taken = [pod for pod in PODS if re.fullmatch(pattern, pod)]
        assert not taken or 'container="model"' in more, (pattern, taken)
    containers = rendering.only(least.manifests(values, tmp_path), "CronJob")["spec"]["jobTemplate"]
    names = [each["name"] for each in containers["spec"]["template"]["spec"]["containers"]]
    assert names == ["batch"]


def test_a_batch_changes_nothing_else_of_the_release(
    manifests: list[rendering.Manifest], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    way = request.node.callspec.params["manifests"]
    without = least.manifests(merged(everything(), way), tmp_path)
    rest = [each for each in manifests if "ml-model/batch" not in each["metadata"]["labels"]]
    assert jobs.without_rules(rest, "batches") == without


def test_objects_fit_the_schemas_under_both_helms(
    helm: str, manifests: list[rendering.Manifest], schemas: Schemas
) -> None:
    assert schemas.faults(manifests) == []
    recipe = rendering.values(rendering.CHART / "ci" / "batch-values.yaml")
    ours = rendering.template(helm, rendering.CHART, "iris", "ml-dev", *recipe)
    assert ours == rendering.template("helm3", rendering.CHART, "iris", "ml-dev", *recipe)


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        ("@hourly", 24),
        ("*/5 8-18 * * *", 24),
        ("@weekly", 7 * 24),
        ("0 2 * * mon-fri", 7 * 24),
        ("0 2 1,15 * *", 31 * 24),
        ("@yearly", 366 * 24),
    ],
)
def test_results_are_late_after_the_period_of_the_schedule_and_a_run(
    tmp_path: Path, schedule: str, hours: int
) -> None:
    batch = {"schedule": schedule, "activeDeadlineSeconds": 7201}
    assert f"> {hours + 3} * 3600" in alert("MlBatchLate", batch, tmp_path)["expr"]


@pytest.mark.parametrize(
    ("alerts", "batch"),
    [
        ({"MlBatchFailed", "MlBatchLate", "MlBatchSlow"}, {}),
        ({"MlBatchFailed", "MlBatchSlow"}, {"schedule": ""}),
        ({"MlBatchFailed", "MlBatchSlow"}, {"suspend": True}),
        ({"MlBatchFailed", "MlBatchSlow"}, {"alerts": {"lateHours": 0}}),
        ({"MlBatchFailed", "MlBatchLate"}, {"alerts": {"slowMinutes": 0}}),
    ],
)
def test_only_what_has_a_schedule_is_late(
    tmp_path: Path, alerts: set[str], batch: dict[str, Any]
) -> None:
    assert set(alerts_of(batch, tmp_path)) == alerts


def test_thresholds_are_those_of_the_values(tmp_path: Path) -> None:
    batch = {"alerts": {"lateHours": 5, "slowMinutes": 7}}
    assert "> 5 * 3600" in alert("MlBatchLate", batch, tmp_path)["expr"]
    assert "> 7 * 60" in alert("MlBatchSlow", batch, tmp_path)["expr"]
    assert "> 180 * 60" in alert("MlBatchSlow", {}, tmp_path)["expr"]


def alert(name: str, batch: dict[str, Any], folder: Path) -> dict[str, Any]:
    return alerts_of(batch, folder)[name]


def alerts_of(batch: dict[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """The rules of a batch, of a release with a variant, which has none of its own."""
    other = {"image": {"digest": f"sha256:{'c' * 64}"}, "model": {"digest": f"sha256:{'d' * 64}"}}
    values = {
        "metrics": {"rules": {"enabled": True, "runbookUrl": "https://a"}},
        "variants": {"b": merged(other, {"model": {"version": "2"}})},
        "batch": {"nightly": merged(batches.RIGHT, batch)},
    }
    found = rendering.of_kind(least.manifests(values, folder), "PrometheusRule")
    assert len(found) == 2
    rules = [
        rule
        for each in found
        for group in each["spec"]["groups"]
        if group["name"] == "batches"
        for rule in group["rules"]
    ]
    assert all(rule["labels"]["batch"] == "nightly" for rule in rules)
    assert len(rules) == len({rule["alert"] for rule in rules})
    return {rule["alert"]: rule for rule in rules}
