"""What the chart renders of a batch a real API server takes; what that refuses, the chart refuses.

Each value of the pools is tried alone, and mixtures of them. What renders is created (dry run): the
objects, and of each CronJob the Job that its controller would create.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from tests import rendering
from tests.chart import apiserver, batches, jobs, least

RELEASE = "iris"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.ApiServer]:
    with apiserver.running(tmp_path_factory.mktemp("api")) as server:
        server.kubectl("create", "namespace", "ml-dev")
        yield server


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, rendering.Result]]:
    """Generated values as text, and what the chart makes of them."""
    folder = tmp_path_factory.mktemp("values")

    def render(case: tuple[int, tuple[str, Any]]) -> tuple[str, rendering.Result]:
        number, (name, values) = case
        file = folder / f"{number}.yaml"
        file.write_text(yaml.safe_dump({"batch": {name: values}}), encoding="utf-8")
        arguments = (
            *rendering.values(least.MINIMAL, file),
            "--show-only",
            "templates/batch.yaml",
        )
        result = rendering.try_template("helm4", rendering.CHART, RELEASE, "ml-dev", *arguments)
        return f"{name}: {values}", result

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(render, enumerate(batches.generated(seed=1, count=60))))


def created(text: str) -> Iterator[rendering.Manifest]:
    """The objects, and the Jobs that would be made of them."""
    for manifest in rendering.parse(text):
        yield manifest
        if manifest["kind"] == "CronJob":
            yield jobs.scheduled(manifest)


def answer_to(
    server: apiserver.ApiServer, cases: list[tuple[str, list[rendering.Manifest]]]
) -> rendering.Result:
    """What it says to the objects of some values."""
    return server.try_create([one for _, objects in cases for one in objects])


def test_the_api_server_takes_whatever_renders(
    server: apiserver.ApiServer, rendered: list[tuple[str, rendering.Result]]
) -> None:
    taken = [
        (values, list(created(result.stdout))) for values, result in rendered if not result.code
    ]
    answer = answer_to(server, taken)
    if answer.code:
        while len(taken) > 1:
            half = taken[: len(taken) // 2]
            taken = half if answer_to(server, half).code else taken[len(half) :]
        pytest.fail(f"{taken[0][0]}\n{answer_to(server, taken).stderr}")
    assert "Warning" not in answer.stderr, answer.stderr
    assert len(answer.stdout.split()) == 3 * len(taken)
    # Neither nearly all are refused nor nearly none: else this test says little.
    assert 0.35 < len(taken) / len(rendered) < 0.8


def test_what_is_refused_is_refused_by_the_schema_or_with_the_key_to_set(
    rendered: list[tuple[str, rendering.Result]],
) -> None:
    assert batches.vague(result for _, result in rendered) == []


@pytest.mark.parametrize(
    ("name", "pods", "is_taken"), [(41, 10, True), (42, 10, False), (40, 11, True), (41, 11, False)]
)
def test_the_longest_name_is_the_longest_of_which_pods_can_be_created(
    server: apiserver.ApiServer, minimal: list[str], name: int, pods: int, is_taken: bool
) -> None:
    """One more character, and the API server refuses the Jobs of a CronJob that it has taken."""
    values = batches.RIGHT | {"pods": pods}
    result = rendering.try_template(
        *("helm4", rendering.CHART),
        *(RELEASE, "ml-dev", *minimal, "--set-json", f"batch={json.dumps({'n' * name: values})}"),
    )
    assert (result.code == 0) is is_taken, result.stderr
    template = {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{RELEASE}-batch-{'n' * name}-{jobs.MINUTES}", "namespace": "ml-dev"},
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "template": {"spec": template},
        },
    }
    assert (server.try_create([job]).code == 0) is is_taken


def test_the_api_server_is_a_real_one(server: apiserver.ApiServer, minimal: list[str]) -> None:
    """It refuses a rule that only its code knows, and no schema."""
    values = rendering.CHART / "ci" / "batch-values.yaml"
    manifests = rendering.template(
        *("helm4", rendering.CHART), *(RELEASE, "ml-dev", *minimal, *rendering.values(values))
    )
    cronjob = rendering.of_kind(manifests, "CronJob")[0]
    cronjob["spec"]["jobTemplate"]["spec"]["podReplacementPolicy"] = "TerminatingOrFailed"
    assert 'supported values: "Failed"' in server.try_create([cronjob]).stderr
