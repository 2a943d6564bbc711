"""A consumer beside everything else of a release; what renders starts, and what would not is told.

Each value of the pools is tried alone, and mixtures of them. What renders is given to a real API
server, and the variables of its container to the code that reads them in the pod.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.consume.settings import REPLY_SCHEMES, SCHEMES, QueueSettings
from app.errors import RefusedError
from tests import rendering
from tests.chart import apiserver, batches, consumers, least
from tests.chart.test_batch import selections
from tests.chart.test_generated import merged
from tests.chart.test_objects import OTHER_WAYS, everything
from tests.schemas import Schemas

CONSUMER = {"consumer": consumers.RIGHT}
OWN = {"Deployment", "NetworkPolicy", "PodMonitor", "ScaledObject", "TriggerAuthentication"}
# Of custom resources a server without their definitions knows nothing.
CORE = {"Deployment", "NetworkPolicy"}


@pytest.fixture(
    scope="module",
    params=[{}, *(way for way in OTHER_WAYS if "consumer" not in way)],
    ids=lambda way: "-".join(way) or "everything",
)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What else the release has."""
    return merged(everything(), request.param)


@pytest.fixture(scope="module")
def manifests(
    way: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[rendering.Manifest]:
    """The same with a consumer."""
    return least.manifests(merged(way, CONSUMER), tmp_path_factory.mktemp("consumer"))


def is_consumers(manifest: rendering.Manifest) -> bool:
    return bool(manifest["metadata"]["labels"].get("app.kubernetes.io/component") == "consumer")


def test_nothing_but_its_own_objects_selects_its_pods(manifests: list[rendering.Manifest]) -> None:
    """No Service, budget, monitor or policy of the release, nor the other way round."""
    for manifest in rendering.of_kind(manifests, "Deployment"):
        pods = manifest["spec"]["template"]["metadata"]["labels"]
        selecting = [
            other
            for other in manifests
            for _, labels in selections(other.get("spec", {}))
            if labels.items() <= pods.items()
        ]
        assert {is_consumers(other) for other in selecting} == {is_consumers(manifest)}
        kinds = {other["kind"] for other in selecting}
        assert {"Deployment", "NetworkPolicy"} <= kinds
        assert not is_consumers(manifest) or kinds <= OWN


def test_a_consumer_changes_nothing_else_of_the_release(
    manifests: list[rendering.Manifest], way: dict[str, Any], tmp_path: Path
) -> None:
    rest = copy.deepcopy([each for each in manifests if not is_consumers(each)])
    for manifest in rendering.of_kind(rest, "PrometheusRule"):
        groups = manifest["spec"]["groups"]
        manifest["spec"]["groups"] = [g for g in groups if not g["name"].startswith("consumer")]
    assert rest == least.manifests(way, tmp_path)
    assert {each["metadata"]["name"] for each in manifests if is_consumers(each)} == {
        "iris-consumer"
    }


def test_objects_fit_the_schemas_under_both_helms(
    manifests: list[rendering.Manifest], schemas: Schemas
) -> None:
    assert schemas.faults(manifests) == []
    recipe = rendering.values(rendering.CHART / "ci" / "consumer-values.yaml")
    three, four = (
        rendering.template(helm, rendering.CHART, "iris", "ml-dev", *recipe)
        for helm in ("helm3", "helm4")
    )
    assert three == four


def test_a_variant_has_no_alerts_of_the_consumer(tmp_path: Path) -> None:
    other = {
        "image": {"digest": f"sha256:{'c' * 64}"},
        "model": {"digest": f"sha256:{'d' * 64}", "version": "2"},
    }
    rules = {"metrics": {"rules": {"enabled": True, "runbookUrl": "https://a"}}}
    found = least.manifests({**rules, **CONSUMER, "variants": {"b": other}}, tmp_path)
    counts = {
        rule["metadata"]["name"]: json.dumps(rule).count("MlQueueOld.md")
        for rule in rendering.of_kind(found, "PrometheusRule")
    }
    assert counts == {"iris": 1, "iris-b": 0}


def test_schemes_of_chart_and_consumer_are_the_same() -> None:
    text = (rendering.CHART / "templates" / "_consumer.tpl").read_text(encoding="utf-8")
    brokers, stores = (json.loads(line) for line in text.splitlines() if line.startswith('{"'))
    assert tuple(brokers) == SCHEMES
    assert tuple(stores) == REPLY_SCHEMES


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, rendering.Result]]:
    """Generated values as text, and what the chart makes of them."""
    folder = tmp_path_factory.mktemp("values")
    claim = {"source": {"persistentVolumeClaim": {"claimName": "a"}}, "readOnly": False}
    volumes = {"answers": {**claim, "mountPath": "/answers"}}

    def render(case: tuple[int, consumers.Values]) -> tuple[str, rendering.Result]:
        number, values = case
        file = folder / f"{number}.yaml"
        content = {"consumer": values, "volumes": volumes, "metrics": {"monitor": "PodMonitor"}}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        arguments = rendering.values(least.MINIMAL, file)
        result = rendering.try_template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)
        return str(values), result

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(render, enumerate(consumers.generated(seed=1, count=40))))


def taken(
    results: list[tuple[str, rendering.Result]],
) -> list[tuple[str, list[rendering.Manifest]]]:
    """What the chart made of the values that it took, of the consumer alone."""
    return [
        (values, [each for each in rendering.parse(result.stdout) if is_consumers(each)])
        for values, result in results
        if not result.code
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.ApiServer]:
    with apiserver.running(tmp_path_factory.mktemp("api")) as server:
        server.kubectl("create", "namespace", "ml-dev")
        yield server


def test_the_api_server_takes_whatever_renders(
    server: apiserver.ApiServer, rendered: list[tuple[str, rendering.Result]], schemas: Schemas
) -> None:
    cases = taken(rendered)
    answer = server.try_create(
        [each for _, found in cases for each in found if each["kind"] in CORE]
    )
    assert answer.code == 0, answer.stderr
    assert "Warning" not in answer.stderr, answer.stderr
    assert len(answer.stdout.split()) == 2 * len(cases)
    # Neither nearly all are refused nor nearly none: else this test says little.
    assert 0.3 < len(cases) / len(rendered) < 0.8
    others = [each for _, found in cases for each in found if each["kind"] not in CORE]
    assert schemas.faults(others) == []


def test_the_consumer_takes_the_settings_of_whatever_renders(
    rendered: list[tuple[str, rendering.Result]],
) -> None:
    refused = []
    for values, found in taken(rendered):
        container = rendering.only(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        # What a Secret has, nobody knows here; Kubernetes reads $$ as $.
        environ = {
            each["name"]: each.get("value", "x").replace("$$", "$") for each in container["env"]
        }
        try:
            QueueSettings.from_environ(environ).named("another-name")
        except RefusedError as error:
            refused.append((values, str(error)))
    assert refused == []


def test_what_is_refused_is_refused_by_the_schema_or_with_the_key_to_set(
    rendered: list[tuple[str, rendering.Result]],
) -> None:
    assert batches.vague(result for _, result in rendered) == []


def test_no_password_of_a_url_is_shown(tmp_path: Path) -> None:
    for part in ("queue", "replies"):
        values = {"consumer": merged(consumers.RIGHT, {part: {"url": "nats://a:s3cret@b"}})}
        result = least.result(values, tmp_path)
        assert result.code != 0
        assert "s3cret" not in result.stdout + result.stderr
