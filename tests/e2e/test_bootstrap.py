"""`modelctl bootstrap` on a cluster that has an Argo CD already, and what a second repository has.

One fork for the module, with two environments; the second is in a cluster of its own name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import kubeconfig
from sandbox.errors import CommandError

from .fork import Fork
from .loop import Loop, eventually, measured

CLUSTER = "e2e-second"
FIRST, SECOND = "fork-a", "fork-b"


def cluster_secret(loop: Loop) -> str:
    """A second cluster as Argo CD knows it: the same API server, under another name."""
    admin = json.loads(loop.layout.inner_kubeconfig.read_text())
    user = admin["users"][0]["user"]
    config = {
        "tlsClientConfig": {
            "caData": admin["clusters"][0]["cluster"]["certificate-authority-data"],
            "certData": user["client-certificate-data"],
            "keyData": user["client-key-data"],
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": CLUSTER,
                "namespace": "argocd",
                "labels": {"argocd.argoproj.io/secret-type": "cluster"},
            },
            "stringData": {
                "name": CLUSTER,
                "server": kubeconfig.INNER_SERVER,
                "config": json.dumps(config),
            },
        }
    )


@pytest.fixture(scope="module")
def fork(loop: Loop) -> Iterator[Fork]:
    """The second repository, pushed, and followed by nobody yet; its last namespace is missing."""
    made = Fork(loop, loop.layout.home / "e2e-fork", "fork", ["in-cluster", CLUSTER])
    made.remove()
    made.write()
    yield made
    made.remove()
    loop.kubectl("delete", "secret", CLUSTER, "--namespace=argocd", "--ignore-not-found")


def test_a_cluster_that_argo_cd_does_not_know_is_refused_before_anything_is_changed(
    loop: Loop, fork: Fork
) -> None:
    with pytest.raises(CommandError) as refused:
        fork.bootstrap()
    assert f"unknown to Argo CD: cluster {CLUSTER}" in str(refused.value)
    assert fork.states() == {}
    loop.kubectl("apply", "--filename=-", stdin=cluster_secret(loop))


def test_a_dry_run_changes_nothing(loop: Loop, fork: Fork) -> None:
    printed = fork.bootstrap("--dry-run").stdout
    assert "application.argoproj.io/fork serverside-applied (server dry run)" in printed
    assert "dry run: nothing changed" in printed
    assert loop.kubectl("get", "appproject,secret", "-n", "argocd", "-oname").count("fork") == 0


@pytest.mark.parametrize(
    ("labels", "url", "refused"),
    [
        ({}, "", "is not a repository Secret"),
        ({"argocd.argoproj.io/secret-type": "repository"}, "https://a.example/b", "is for another"),
    ],
    ids=["no label", "another repository"],
)
def test_a_secret_that_argo_cd_would_not_use_is_refused(
    loop: Loop, fork: Fork, labels: dict[str, str], url: str, refused: str
) -> None:
    name = "e2e-credentials"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "argocd", "labels": labels},
        "data": {"url": base64.b64encode(url.encode()).decode()},
    }
    loop.kubectl("apply", "--filename=-", stdin=json.dumps(secret))
    try:
        with pytest.raises(CommandError) as error:
            fork.bootstrap("--repo-secret", name)
        assert refused in str(error.value)
    finally:
        loop.kubectl("delete", "secret", name, "--namespace=argocd")


def test_models_that_came_before_their_namespace_heal(loop: Loop, fork: Fork) -> None:
    baseline = f"kustomize/environments/overlays/{SECOND}/kustomization.yaml"
    (fork.worktree / baseline).unlink()
    fork.push("A model without a namespace")
    fork.bootstrap()
    failed = eventually("the model cannot be synced", lambda: cannot_sync(loop), 120)
    assert failed
    fork.write_overlay(SECOND)
    fork.push("The namespace, too late")
    measured("a model that came before its namespace heals", fork.wait_healthy(), 60)
    deployment = loop.get("deployment", "iris", f"--namespace={SECOND}")
    assert deployment["status"]["readyReplicas"] == 1


def cannot_sync(loop: Loop) -> tuple[bool, str]:
    found = loop.kubectl(
        *("get", "application", f"{SECOND}-iris", "--namespace=argocd", "--ignore-not-found"),
        "--output=jsonpath={.status.operationState.message}{.status.operationState.syncResult}",
    )
    return f'namespaces "{SECOND}" not found' in found, found


def test_a_second_run_changes_nothing(loop: Loop, fork: Fork) -> None:
    before = specs(loop)
    fork.bootstrap()
    assert specs(loop) == before


def specs(loop: Loop) -> dict[str, Any]:
    """What the fork's own objects say; an Application's generation counts its status, too."""
    words = ("appproject/fork", "application/fork", "--namespace=argocd")
    return {item["kind"]: item["spec"] for item in loop.get(*words)["items"]}


def test_an_environment_is_in_the_cluster_that_it_names(loop: Loop, fork: Fork) -> None:
    destinations = {
        name: loop.get("application", f"{name}-iris", "--namespace=argocd")["spec"]["destination"]
        for name in fork.environments
    }
    assert destinations == {
        FIRST: {"name": "in-cluster", "namespace": FIRST},
        SECOND: {"name": CLUSTER, "namespace": SECOND},
    }
    projects = {
        name: loop.get("appproject", f"{name}-models", "--namespace=argocd")["spec"]["destinations"]
        for name in fork.environments
    }
    assert projects == {name: [destination] for name, destination in destinations.items()}


def test_its_names_do_not_touch_those_of_the_first_repository(loop: Loop, fork: Fork) -> None:
    sets = loop.kubectl("get", "applicationsets", "--namespace=argocd", "--output=name").split()
    assert {name.partition("/")[2] for name in sets} == {
        *("models", "baselines", "namespaces"),
        *("fork-models", "fork-baselines", "fork-namespaces"),
    }
    assert loop.application("root")["health"]["status"] == "Healthy"


def test_an_environment_that_leaves_the_list_loses_no_running_model(loop: Loop, fork: Fork) -> None:
    before = pods(loop, SECOND)
    fork.write_environments(keep=1)
    fork.push("One environment less")
    eventually("the generator has one less", lambda: elements(loop, 1), 60)
    assert f"{SECOND}-iris" in fork.states()
    assert pods(loop, SECOND) == before
    fork.write_environments()
    fork.push("The environment again")
    eventually("the generator has both", lambda: elements(loop, 2), 60)
    fork.wait_healthy()
    assert pods(loop, SECOND) == before


def elements(loop: Loop, count: int) -> tuple[bool, Any]:
    spec = loop.get("applicationset", "fork-models", "--namespace=argocd")["spec"]
    found = spec["generators"][0]["matrix"]["generators"][0]["list"]["elements"]
    return len(found) == count, found


def test_a_deleted_applicationset_loses_no_running_model_and_comes_back(
    loop: Loop, fork: Fork
) -> None:
    before = {name: pods(loop, name) for name in fork.environments}
    uid = set_uid(loop)
    loop.kubectl("delete", "applicationset", "fork-models", "--namespace=argocd")
    back = eventually("the set is back", lambda: is_another(loop, uid), 60)
    measured("a deleted ApplicationSet is back", back, 10)
    fork.wait_healthy()
    assert {name: pods(loop, name) for name in fork.environments} == before


def set_uid(loop: Loop) -> str:
    words = ("applicationset", "fork-models", "--namespace=argocd", "--ignore-not-found")
    return loop.kubectl("get", *words, "--output=jsonpath={.metadata.uid}")


def is_another(loop: Loop, uid: str) -> tuple[bool, str]:
    found = set_uid(loop)
    return found not in ("", uid), found


def pods(loop: Loop, namespace: str) -> set[str]:
    """The unique ids of the pods in a namespace."""
    items = loop.get("pods", f"--namespace={namespace}")["items"]
    return {item["metadata"]["uid"] for item in items}


def test_a_version_file_cannot_take_its_release_elsewhere(loop: Loop, fork: Fork) -> None:
    """What it says of environment, namespace or repository loses against the generator."""
    path = fork.worktree / f"environments/{SECOND}/iris/version.yaml"
    text = path.read_text()
    stray = {"environment": "dev", "namespace": "kube-system", "chartFrom": "commit"}
    path.write_text(text + "".join(f"{key}: {value}\n" for key, value in stray.items()))
    fork.push("A version file that wants more")
    try:
        eventually("the file is refused", lambda: condition(loop), 60)
        spec = loop.get("application", f"{SECOND}-iris", "--namespace=argocd")["spec"]
        assert spec["project"] == f"{SECOND}-models"
        assert spec["destination"] == {"name": CLUSTER, "namespace": SECOND}
        assert [source.get("chart") for source in spec["sources"]] == [None, "ml-model"]
    finally:
        path.write_text(text)
        fork.push("As it was")
    fork.wait_healthy()


def condition(loop: Loop) -> tuple[bool, str]:
    found = json.dumps(loop.application(f"{SECOND}-iris").get("conditions", []))
    return "additional properties" in found, found
