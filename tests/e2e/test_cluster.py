"""What the cluster does on its own: heal, refuse, measure, validate."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .loop import Loop, eventually, measured

HEAL_SECONDS = 10
NAMESPACE = "--namespace=ml-dev"


@pytest.mark.loop
def test_a_scaled_deployment_is_healed(loop: Loop) -> None:
    loop.kubectl("scale", "deployment/iris", NAMESPACE, "--replicas=3")

    def probe() -> tuple[bool, Any]:
        replicas = loop.get("deployment", "iris", NAMESPACE)["spec"]["replicas"]
        return replicas == 1, replicas

    measured("a scaled Deployment is healed", eventually("one replica", probe, 30), HEAL_SECONDS)


@pytest.mark.loop
def test_a_deleted_service_is_healed(loop: Loop) -> None:
    before = loop.get("service", "iris", NAMESPACE)["metadata"]["uid"]
    loop.kubectl("delete", "service/iris", NAMESPACE)

    def probe() -> tuple[bool, Any]:
        words = (
            "service/iris",
            NAMESPACE,
            "--ignore-not-found",
            "--output=jsonpath={.metadata.uid}",
        )
        found = loop.kubectl("get", *words)
        return found not in ("", before), found

    measured("a deleted Service is healed", eventually("the Service", probe, 30), HEAL_SECONDS)
    loop.wait_synced()


@pytest.mark.loop
def test_an_edited_environment_variable_is_healed(loop: Loop) -> None:
    container = loop.get("deployment", "iris", NAMESPACE)["spec"]["template"]["spec"]["containers"]
    names = [entry["name"] for entry in container[0]["env"]]
    at = names.index("MODEL_DIGEST")
    patch = [
        {
            "op": "replace",
            "path": f"/spec/template/spec/containers/0/env/{at}/value",
            "value": "sha256:" + "f" * 64,
        }
    ]
    loop.kubectl(
        "patch", "deployment/iris", NAMESPACE, "--type=json", f"--patch={json.dumps(patch)}"
    )
    wanted = loop.release("dev-iris").digest

    def probe() -> tuple[bool, Any]:
        spec = loop.get("deployment", "iris", NAMESPACE)["spec"]["template"]["spec"]
        found = spec["containers"][0]["env"][at]["value"]
        return found == wanted, found

    measured("an edited variable is healed", eventually("digest of git", probe, 30), HEAL_SECONDS)
    loop.wait_synced()


@pytest.mark.parametrize("environment", ["dev", "staging", "production"])
@pytest.mark.loop
def test_a_pod_that_breaks_pod_security_is_refused(loop: Loop, environment: str) -> None:
    namespace = next(e.namespace for e in loop.environments if e.name == environment)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": namespace},
        "spec": {
            "containers": [
                {
                    "name": "shell",
                    "image": "example.org/shell:1",
                    "securityContext": {"privileged": True},
                    "resources": {"requests": {"cpu": "1m"}, "limits": {"memory": "16Mi"}},
                }
            ]
        },
    }
    answer = loop.kubectl("create", "-f", "-", stdin=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in answer


def test_the_autoscalers_read_real_metrics(loop: Loop) -> None:
    def probe() -> tuple[bool, Any]:
        items = loop.get("hpa", "--namespace=ml-production")["items"]
        values = {
            item["metadata"]["name"]: [
                metric.get("resource", metric.get("containerResource", {})).get("current")
                for metric in item["status"].get("currentMetrics") or []
            ]
            for item in items
        }
        read = all(found and all(found) for found in values.values())
        return {"iris", "penguins"} <= set(values) and read, values

    measured("autoscalers read metrics", eventually("metrics of every HPA", probe, 120), 60)
