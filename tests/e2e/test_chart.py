"""The chart on a real API server: examples as they are stored, and plain Helm without Argo CD."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sandbox.bundles import run_modelctl
from sandbox.layout import NAME as CONTEXT
from tests import rendering
from tests.chart import goldens

from .ad_hoc import applied, restricted_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .loop import Loop


NAMESPACE = "chart-test"
EXAMPLES = goldens.examples()


@pytest.fixture(scope="module")
def namespace(loop: Loop) -> Iterator[str]:
    """A namespace with the baseline's Pod Security labels and an account for the test pod."""
    with applied(loop, [restricted_namespace(NAMESPACE)]):
        yield NAMESPACE


@pytest.fixture(scope="module")
def extensions(loop: Loop) -> Iterator[None]:
    """The definitions of every custom resource that the chart can render.

    Those that the sandbox has already are left alone: with a definition go all its objects.
    """
    files = sorted((rendering.TOOLS.parent / "share").glob("crds-*/crds/*.yaml"))
    definitions = [part for file in files for part in rendering.parse(file.read_text("utf-8"))]
    assert definitions
    there = {item["metadata"]["name"] for item in loop.get("crd")["items"]}
    missing = [part for part in definitions if part["metadata"]["name"] not in there]
    with applied(loop, missing):
        loop.wait_defined(definitions)
        yield


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_example_is_stored_as_it_is_rendered(
    loop: Loop, namespace: str, extensions: None, example: goldens.Example
) -> None:
    """No warning, Pod Security included, and nothing that Argo CD would see as out of sync."""
    account = {"name": "iris", "namespace": namespace}
    manifests = rendering.template(
        "helm4", rendering.CHART, "iris", namespace, *rendering.values(example.file)
    )
    with applied(loop, [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}]):
        answer = loop.kubectl(
            *("apply", "--server-side", "--dry-run=server", "--force-conflicts"),
            *("--filename=-", "--output=json"),
            stdin=yaml.safe_dump_all(manifests),
            check=False,
        )
    assert "Warning" not in answer, answer
    stored = json.loads(answer)["items"]
    assert len(stored) == len(manifests)
    assert [lost for pair in zip(manifests, stored, strict=True) for lost in losses(*pair)] == []


def test_bootstrap_lets_a_secret_store_bring_the_credentials(loop: Loop, extensions: None) -> None:
    """As far as the API server can tell; no store is there to fetch them."""
    printed = run_modelctl(
        loop.layout,
        loop.worktree,
        *("bootstrap", "--context", CONTEXT, "--name", "e2e-store", "--dry-run"),
        *("--repo", "https://git.example/models.git", "--registry", "registry.example/charts"),
        *("--store", "vault", "--repo-key", "git", "--registry-key", "registry"),
    ).stdout
    for part in ("repository", "charts"):
        name = f"externalsecret.external-secrets.io/e2e-store-{part}"
        assert f"{name} serverside-applied (server dry run)" in printed


def losses(wanted: Any, stored: Any, path: str = "") -> Iterator[str]:
    """Where something that was sent is missing or different in what is stored."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            found = stored.get(key) if isinstance(stored, dict) else None
            yield from losses(value, found, f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(stored, list) and len(wanted) == len(stored):
        for index, (one, other) in enumerate(zip(wanted, stored, strict=True)):
            yield from losses(one, other, f"{path}[{index}]")
    elif wanted != stored:
        yield f"{path}: sent {wanted!r}, stored {stored!r}"


def helm(loop: Loop, name: str, *words: str) -> str:
    """Everything that one of the two Helms prints on the sandbox."""
    where = ("--namespace", NAMESPACE, "--kubeconfig", loop.layout.kubeconfig)
    result = rendering.run(rendering.tool(name), *words, *where)
    assert result.code == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", rendering.HELMS)
def test_plain_helm_installs_tests_upgrades_and_leaves_nothing(
    loop: Loop, namespace: str, name: str, tmp_path: Path
) -> None:
    """Without Argo CD: the image that runs in dev, its real prediction, and nothing left over."""
    before = remaining(loop)
    version = loop.found / "environments" / "dev" / "iris" / "version.yaml"
    capacity = loop.found / "environments" / "dev" / "iris" / "capacity.yaml"
    arguments = [*rendering.values(capacity, version), "--wait", "--timeout=120s"]
    helm(loop, name, "install", "adhoc", str(rendering.CHART), *arguments)
    try:
        assert "OK: iris" in helm(loop, name, "test", "adhoc", "--timeout=60s")
        changed = tmp_path / "changed.yaml"
        changed.write_text("commonLabels: {team: flowers}\nreplicaCount: 2\n", encoding="utf-8")
        arguments += rendering.values(changed)
        helm(loop, name, "upgrade", "adhoc", str(rendering.CHART), *arguments)
        deployment = loop.get("deployment", "adhoc", f"--namespace={NAMESPACE}")
        assert deployment["status"]["readyReplicas"] == 2
        assert deployment["metadata"]["labels"]["team"] == "flowers"
    finally:
        helm(loop, name, "uninstall", "adhoc", "--wait", "--timeout=120s")
    assert remaining(loop) == before


def remaining(loop: Loop) -> set[str]:
    """Every object of ours in the namespace; pods on their way out do not count."""
    kinds = "all,configmap,secret,serviceaccount,networkpolicy,pdb,hpa,ingress"
    found = loop.get(kinds, f"--namespace={NAMESPACE}")["items"]
    return {
        f"{item['kind']}/{item['metadata']['name']}"
        for item in found
        if "deletionTimestamp" not in item["metadata"]
    }
