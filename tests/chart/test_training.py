"""Trainings beside all that a release can have: nothing takes their pods for the model's.

Their values keep the promises of values.yaml: explained, not null, with an effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart import jobs, least, trainings
from tests.chart.test_batch import selections
from tests.chart.test_batch_values import OTHERS, other
from tests.chart.test_generated import merged
from tests.chart.test_objects import OTHER_WAYS, everything
from tests.documents import changed, walk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.schemas import Schemas

DEFAULTS: dict[str, Any] = yaml.safe_load(
    (rendering.CHART / "files" / "training.yaml").read_text(encoding="utf-8")
)
RULES: dict[str, Any] = {"metrics": {"rules": {"enabled": True, "runbookUrl": "https://a"}}}


@pytest.fixture(
    scope="module",
    params=[{}, *(way for way in OTHER_WAYS if "training" not in way)],
    ids=lambda way: "-".join(way) or "everything",
)
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """Everything a release can have, in each way, and two trainings."""
    values = merged(merged(everything(), request.param), trainings.BOTH)
    return least.manifests(values, tmp_path_factory.mktemp("training"))


def pods(manifests: list[rendering.Manifest]) -> list[dict[str, str]]:
    """The labels of the pods of each training."""
    jobs = [each["spec"]["jobTargetRef"] for each in rendering.of_kind(manifests, "ScaledJob")]
    jobs += [
        each["spec"]["jobTemplate"]["spec"]
        for each in rendering.of_kind(manifests, "CronJob")
        if "ml-model/training" in each["metadata"]["labels"]
    ]
    return [job["template"]["metadata"]["labels"] for job in jobs]


def test_nothing_but_their_policies_selects_the_pods_of_trainings(
    manifests: list[rendering.Manifest],
) -> None:
    """No Service, budget, monitor, policy, mesh object, spread or affinity, whatever else is on."""
    found = {
        (manifest["kind"], manifest["metadata"]["name"])
        for manifest in manifests
        for _, labels in selections(manifest.get("spec", {}))
        for pod in pods(manifests)
        if labels.items() <= pod.items()
    }
    names = ("iris-training-asked", "iris-training-weekly")
    assert found == {("NetworkPolicy", name) for name in names}


def test_their_policies_select_no_other_pod(manifests: list[rendering.Manifest]) -> None:
    policies = [
        each["spec"]["podSelector"]["matchLabels"]
        for each in rendering.of_kind(manifests, "NetworkPolicy")
        if "ml-model/training" in each["metadata"]["labels"]
    ]
    others = [
        node["metadata"]["labels"]
        for manifest in manifests
        if "ml-model/training" not in manifest["metadata"].get("labels", {})
        for _, node in [("", manifest), *walk(manifest)]
        if isinstance(node, dict) and "labels" in node.get("metadata", {})
    ]
    assert len(policies) == 2
    assert len(others) > 5
    for policy in policies:
        assert [labels for labels in others if policy.items() <= labels.items()] == []


def test_trainings_change_nothing_else_of_the_release(
    manifests: list[rendering.Manifest], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    way = request.node.callspec.params["manifests"]
    without = least.manifests(merged(everything(), way), tmp_path)
    rest = [each for each in manifests if "ml-model/training" not in each["metadata"]["labels"]]
    assert jobs.without_rules(rest, "trainings") == without


def test_both_ways_to_start_one_run_the_same_pod(tmp_path: Path) -> None:
    """By KEDA and by hand: the CronJob of a queue is there for the second."""
    found = least.manifests({"training": {"asked": trainings.QUEUED}}, tmp_path)
    cronjob, scaled = (rendering.only(found, kind) for kind in ("CronJob", "ScaledJob"))
    assert cronjob["spec"]["suspend"] is True
    assert scaled["spec"]["jobTargetRef"] == cronjob["spec"]["jobTemplate"]["spec"]


def test_objects_fit_the_schemas(manifests: list[rendering.Manifest], schemas: Schemas) -> None:
    assert schemas.faults(manifests) == []


@pytest.mark.parametrize(
    ("alerts", "training"),
    [
        ({"MlTrainingFailed", "MlTrainingLate"}, trainings.RIGHT),
        ({"MlTrainingFailed"}, {**trainings.RIGHT, "schedule": ""}),
        ({"MlTrainingFailed"}, {**trainings.RIGHT, "suspend": True}),
        ({"MlTrainingFailed"}, {**trainings.RIGHT, "alerts": {"lateHours": 0}}),
        ({"MlTrainingFailed"}, trainings.QUEUED),
    ],
)
def test_only_what_has_a_schedule_is_late(
    tmp_path: Path, alerts: set[str], training: dict[str, Any]
) -> None:
    found = least.manifests({**RULES, "training": {"one": training}}, tmp_path)
    groups = rendering.only(found, "PrometheusRule")["spec"]["groups"]
    rules = [rule for group in groups if group["name"] == "trainings" for rule in group["rules"]]
    assert [rule["alert"] for rule in rules] == sorted(alerts)
    assert all(rule["labels"]["training"] == "one" for rule in rules)


def test_page_is_the_one_that_the_values_describe() -> None:
    jobs.require_page("TRAINING.md", "files/training.yaml")


def test_the_schema_has_the_keys_that_have_a_default() -> None:
    jobs.require_keys("training", DEFAULTS)


def test_no_default_is_null() -> None:
    assert [path for path, value in walk(DEFAULTS) if value is None] == []


# Keys that matter on a schedule alone; all others are tried with a queue.
SCHEDULED = {"schedule", "timeZone", "backoffLimit", "alerts"}
NATS = ("keda", "nats")


@pytest.mark.parametrize("keys", list(placement.leaves(DEFAULTS)), ids=".".join)
def test_value_has_an_effect(tmp_path: Path, keys: placement.Keys) -> None:
    """Whatever a user changes changes the manifests or is refused."""
    right = trainings.RIGHT if keys[0] in SCHEDULED else trainings.QUEUED
    before = least.result({**RULES, "training": {"one": right}}, tmp_path)
    assert before.code == 0, before.stderr
    full = merged(DEFAULTS, right)
    value = {"a": {"podSelector": {}}} if keys[-1] == "to" else other(full, keys)
    after = least.result({**RULES, "training": {"one": changed(full, keys, value)}}, tmp_path)
    if keys == ("queue", "egress", "to"):
        value = {"b": {"podSelector": {"matchLabels": {"a": "b"}}}}
        after = least.result({**RULES, "training": {"one": changed(full, keys, value)}}, tmp_path)
    assert after.stdout != before.stdout


@pytest.mark.parametrize("right", [trainings.RIGHT, trainings.QUEUED], ids=["schedule", "queue"])
def test_the_defaults_written_out_render_the_same(tmp_path: Path, right: dict[str, Any]) -> None:
    """What is false, 0 or empty is a value as any other."""
    written = {"training": {"one": merged(DEFAULTS, right)}}
    short = {"training": {"one": right}}
    assert least.result(written, tmp_path).stdout == least.result(short, tmp_path).stdout


@pytest.mark.parametrize(
    "key",
    [
        *("backoffLimit", "ttlSecondsAfterFinished"),
        *("successfulJobsHistoryLimit", "failedJobsHistoryLimit"),
    ],
)
def test_zero_is_a_value(tmp_path: Path, key: str) -> None:
    values = {"training": {"one": {**trainings.RIGHT, key: 0}}}
    spec = rendering.only(least.manifests(values, tmp_path), "CronJob")["spec"]
    assert (spec | spec["jobTemplate"]["spec"])[key] == 0


def test_nulls_leave_nothing(tmp_path: Path) -> None:
    """Of a training, and of what an earlier file added to one."""
    added = {
        key: value
        for key, value in OTHERS.items()
        if key not in ("string", "affinity") and key in DEFAULTS
    }
    added["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    nulls = {key: dict.fromkeys(value) for key, value in added.items()}
    nulls["resources"] = {"limits": {"nvidia.com/gpu": None}}
    jobs.require_nulls_leave_nothing("training", trainings.QUEUED, added, nulls, tmp_path)
