"""What bootstrap asks an Argo CD for: least privilege, one place for the URL, no credential."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from modelctl.cluster import bootstrap
from modelctl.errors import ModelctlError
from tests import rendering
from tests.modelctl.conftest import run
from tests.paths import ROOT

GIT = bootstrap.Source("git", "https://git.example/models.git")
REGISTRY = bootstrap.Source("helm", "registry.example/charts")


def only(plan: bootstrap.Plan, kind: str) -> dict[str, Any]:
    return rendering.only(plan.objects(), kind)


def test_public_sources_need_a_description_of_the_registry_and_no_credential() -> None:
    plan = bootstrap.Plan(GIT, REGISTRY)
    assert [item["kind"] for item in plan.objects()] == ["Secret", "AppProject", "Application"]
    assert only(plan, "Secret")["stringData"] == {
        "type": "helm",
        "enableOCI": "true",
        "url": "registry.example/charts",
        "name": "charts",
    }


def test_registry_without_tls_is_marked_and_named_without_a_scheme() -> None:
    plan = bootstrap.Plan(GIT, bootstrap.Source("helm", "http://10.0.0.1:5000/charts/"))
    secret = only(plan, "Secret")["stringData"]
    assert (secret["url"], secret["insecureOCIForceHttp"]) == ("10.0.0.1:5000/charts", "true")


@pytest.mark.parametrize("registry", ["", "oci://", "http://"])
def test_a_registry_without_an_address_is_refused_before_the_cluster_is_asked(
    registry: str,
) -> None:
    """`make up KUBE_CONTEXT=NAME` passes what `chartRegistry` says, which a new fork leaves out."""
    with pytest.raises(ModelctlError, match="no chart registry") as refused:
        run("bootstrap", "--context", "absent", "--repo", GIT.url, "--registry", registry)
    assert "expected: --registry HOST/PATH" in str(refused.value)
    assert "fix: set chartRegistry in environments/environments.yaml" in str(refused.value)


def test_credentials_of_a_store_come_by_external_secrets() -> None:
    plan = bootstrap.Plan(
        bootstrap.Source("git", GIT.url, key="teams/ml/git"),
        bootstrap.Source("helm", REGISTRY.url, credentials="there-already"),
        store="SecretStore/vault",
    )
    assert [item["kind"] for item in plan.objects()] == [
        *("ExternalSecret", "AppProject", "Application"),
    ]
    spec = only(plan, "ExternalSecret")["spec"]
    assert spec["secretStoreRef"] == {"kind": "SecretStore", "name": "vault"}
    assert spec["dataFrom"] == [{"extract": {"key": "teams/ml/git"}}]
    template = spec["target"]["template"]
    assert template["metadata"]["labels"] == {bootstrap.TYPE_LABEL: "repository"}
    assert template["data"] == {"type": "git", "url": GIT.url}


def test_root_may_make_projects_and_sets_and_nothing_else() -> None:
    project = only(bootstrap.Plan(GIT, REGISTRY), "AppProject")["spec"]
    assert project["sourceRepos"] == [GIT.url]
    assert project["destinations"] == [{"name": "in-cluster", "namespace": "argocd"}]
    assert project["clusterResourceWhitelist"] == []
    assert {entry["kind"] for entry in project["namespaceResourceWhitelist"]} == {
        *("AppProject", "ApplicationSet"),
    }


def test_root_allows_what_the_chart_renders() -> None:
    project = only(bootstrap.Plan(GIT, REGISTRY), "AppProject")["spec"]
    allowed = {entry["kind"] for entry in project["namespaceResourceWhitelist"]}
    templates = (rendering.ARGOCD_CHART / "templates").glob("*.yaml")
    kinds = {
        line.removeprefix("kind: ")
        for path in templates
        for line in path.read_text().splitlines()
        if line.startswith("kind: ")
    }
    assert kinds == allowed


def test_only_the_root_application_names_the_repository() -> None:
    spec = only(bootstrap.Plan(GIT, REGISTRY, revision="main"), "Application")["spec"]
    assert (spec["source"]["repoURL"], spec["source"]["targetRevision"]) == (GIT.url, "main")
    helm = spec["source"]["helm"]
    assert helm["valueFiles"] == ["../environments/environments.yaml"]
    assert {entry["name"]: entry["value"] for entry in helm["parameters"]} == {
        "repoURL": "$ARGOCD_APP_SOURCE_REPO_URL",
        "revision": "$ARGOCD_APP_SOURCE_TARGET_REVISION",
        "chartRegistry": "registry.example/charts",
        "requeueAfterSeconds": "180",
    }
    # Argo CD drops them, and a second run would find a difference.
    assert all(entry["value"] for entry in helm["parameters"])
    assert spec["project"] == "root"
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


def test_a_second_repository_has_a_name_of_its_own_everywhere() -> None:
    plan = bootstrap.Plan(GIT, REGISTRY, name="fraud")
    assert {item["metadata"]["name"] for item in plan.objects()} == {"fraud", "fraud-charts"}
    parameters = only(plan, "Application")["spec"]["source"]["helm"]["parameters"]
    assert {"name": "name", "value": "fraud"} in parameters


def test_an_application_of_another_repository_is_not_taken_over() -> None:
    plan = bootstrap.Plan(GIT, REGISTRY)
    ours = only(plan, "Application")
    bootstrap.ensure_same_repository(plan, None)
    bootstrap.ensure_same_repository(plan, ours)
    theirs = {"spec": {"source": {"repoURL": "https://git.example/other.git"}}}
    with pytest.raises(ModelctlError, match="choose another name: --name NAME"):
        bootstrap.ensure_same_repository(plan, theirs)


def secret(label: str, url: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {bootstrap.TYPE_LABEL: label} if label else {}},
        "data": {"url": base64.b64encode(url.encode()).decode()},
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "does not exist"),
        (secret("", GIT.url), "is not a repository Secret"),
        (secret("cluster", GIT.url), "is not a repository Secret"),
        (secret("repository", "https://git.example/other.git"), "is for another git source"),
        (secret("repo-creds", "https://other.example/"), "is for another git source"),
    ],
    ids=["absent", "no label", "of a cluster", "other repository", "other host"],
)
def test_a_secret_that_argo_cd_would_not_use_is_refused(
    found: dict[str, Any] | None, words: str
) -> None:
    source = bootstrap.Source("git", GIT.url, credentials="models-git")
    with pytest.raises(ModelctlError, match=words):
        bootstrap.ensure_repository_secret(source, found, "argocd")


@pytest.mark.parametrize(
    "found",
    [secret("repository", GIT.url), secret("repo-creds", "https://git.example")],
    ids=["of the repository", "of the host"],
)
def test_a_secret_that_argo_cd_uses_is_accepted(found: dict[str, Any]) -> None:
    bootstrap.ensure_repository_secret(
        bootstrap.Source("git", GIT.url, credentials="a"), found, "argocd"
    )


def test_clusters_are_known_by_the_name_in_their_secret() -> None:
    known = {"data": {"name": base64.b64encode(b"eu-1").decode()}}
    assert bootstrap.unknown_clusters(["in-cluster", "eu-1"], [known]) == []
    assert bootstrap.unknown_clusters(["us-1", "eu-1"], [known]) == ["us-1"]


def test_settings_are_for_the_namespace_of_argo_cd_and_hold_no_secret() -> None:
    found = bootstrap.settings(ROOT, "gitops")
    assert {item["metadata"]["name"] for item in found} == {
        *("argocd-cm", "argocd-cmd-params-cm", "argocd-rbac-cm", "argocd-notifications-cm"),
    }
    assert {item["metadata"]["namespace"] for item in found} == {"gitops"}
    assert {item["kind"] for item in found} == {"ConfigMap"}
    assert "://" not in json.dumps(found).replace("https://slack.com/api/", "")
