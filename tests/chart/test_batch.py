"""A batch beside everything else that a release can have: nothing takes its pods for the model's.

Its values keep the promises of values.yaml: each is explained, none is null, each has an effect.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.repository import placement
from tests import rendering
from tests.chart import batches
from tests.chart.test_generated import merged
from tests.chart.test_objects import OTHER_WAYS, everything
from tests.documents import changed, walk
from tests.schemas import Schemas

MINIMAL = rendering.CHART / "tests" / "values" / "minimal.yaml"
DEFAULTS: dict[str, Any] = yaml.safe_load(
    (rendering.CHART / "files" / "batch.yaml").read_text(encoding="utf-8")
)
BATCH = {"batch": {"nightly": batches.RIGHT}}
SELECTORS = ("selector", "podSelector", "labelSelector", "workloadSelector")
# As Kubernetes names them: by the CronJob, by kubectl from a name of the user's, which may be that
# of the release.
PODS = ("iris-batch-nightly-29876543-0-x7k2p", "iris-0-x7k2p", "again-1-3-x7k2p")


def render(values: dict[str, Any], folder: Path, *more: str) -> rendering.Result:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    arguments = (*rendering.values(MINIMAL, file), *more)
    return rendering.try_template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)


def manifests_of(values: dict[str, Any], folder: Path) -> list[rendering.Manifest]:
    result = render(values, folder)
    assert result.code == 0, result.stderr
    return rendering.parse(result.stdout)


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
    return manifests_of(values, tmp_path_factory.mktemp("batch"))


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
    cronjob = rendering.only(manifests, "CronJob")
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
    rules = rendering.only(manifests_of(values, tmp_path), "PrometheusRule")["spec"]["groups"]
    text = json.dumps(rules).replace('\\"', '"')
    selectors = re.findall(r'pod=~"([^"]+)"([^{}]*)\}', text)
    assert len(selectors) > 3
    for pattern, more in selectors:
        taken = [pod for pod in PODS if re.fullmatch(pattern, pod)]
        assert not taken or 'container="model"' in more, (pattern, taken)
    containers = rendering.only(manifests_of(values, tmp_path), "CronJob")["spec"]["jobTemplate"]
    names = [each["name"] for each in containers["spec"]["template"]["spec"]["containers"]]
    assert names == ["batch"]


def test_a_batch_changes_nothing_else_of_the_release(
    manifests: list[rendering.Manifest], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    way = request.node.callspec.params["manifests"]
    without = manifests_of(merged(everything(), way), tmp_path)
    rest = [each for each in manifests if "ml-model/batch" not in each["metadata"]["labels"]]
    assert _without_batch_rules(rest) == without


def _without_batch_rules(manifests: list[rendering.Manifest]) -> list[rendering.Manifest]:
    found = copy.deepcopy(manifests)
    for manifest in rendering.of_kind(found, "PrometheusRule"):
        groups = manifest["spec"]["groups"]
        manifest["spec"]["groups"] = [group for group in groups if group["name"] != "batches"]
    return found


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
    found = rendering.of_kind(manifests_of(values, folder), "PrometheusRule")
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


# --- its values


def test_page_is_the_one_that_the_values_describe() -> None:
    result = rendering.run(
        *(rendering.tool("helm-docs"), "--chart-search-root", rendering.CHART),
        *("--sort-values-order", "file", "--values-file", "files/batch.yaml"),
        *("--template-files", "BATCH.md.gotmpl", "--dry-run"),
    )
    assert result.code == 0, result.stderr
    checked_in = (rendering.CHART / "BATCH.md").read_text(encoding="utf-8")
    assert result.stdout.strip() == checked_in.strip(), "stale: run `make generate`"
    assert re.findall(r"^\| (\S+) \|[^\n]*\|\s+\|$", checked_in, flags=re.MULTILINE) == []


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
    before = render({**rules, "batch": {"nightly": right}}, tmp_path)
    assert before.code == 0, before.stderr
    full = merged(DEFAULTS, right)
    after = render(
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
    assert render(written, tmp_path).stdout == render(BATCH, tmp_path).stdout


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
    spec = rendering.only(manifests_of(values, tmp_path), "CronJob")["spec"]
    assert (spec | spec["jobTemplate"]["spec"])[key] == 0


def test_nulls_leave_nothing(tmp_path: Path) -> None:
    """Of a batch, and of what an earlier file added to one."""
    added = {
        key: value
        for key, value in OTHERS.items()
        if key not in ("string", "affinity") and key in DEFAULTS
    }
    nulls = {key: dict.fromkeys(value) for key, value in added.items()}
    files = []
    for number, batch in enumerate((batches.RIGHT, added, nulls)):
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump({"batch": {"nightly": batch}}), encoding="utf-8")

    def text(*used: Path) -> list[rendering.Manifest]:
        arguments = rendering.values(MINIMAL, *used)
        return rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)

    assert text(*files[:2]) != text(files[0])
    assert text(*files) == text(files[0])
    none = tmp_path / "none.yaml"
    none.write_text("batch: {nightly: null}\n", encoding="utf-8")
    assert text(files[0], none) == text()
