"""Plan the objects that an existing Argo CD needs to follow a repository; applies nothing.

One Application, in a project that allows only the projects and ApplicationSets below it; everything
else comes from git. Credentials are in existing Secrets, or fetched by an ExternalSecret.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ruamel.yaml import YAML

from modelctl.errors import ModelctlError
from modelctl.repository.environments import FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelctl.cluster.context import Object

SETTINGS = "argocd/install"
TYPE_LABEL = "argocd.argoproj.io/secret-type"
IN_CLUSTER = "in-cluster"
ROOT = "root"
HTTP = "http://"


@dataclass(frozen=True)
class Source:
    """A source that Argo CD reads, and its credentials; neither of them for a public source.

    `credentials` is a Secret in Argo CD's namespace; `key` is an entry of the secret store.
    """

    kind: Literal["git", "helm"]
    url: str
    credentials: str = ""
    key: str = ""

    @property
    def address(self) -> str:
        """The URL as in Applications: a registry without a scheme."""
        return self.url if self.kind == "git" else self.url.removeprefix(HTTP).rstrip("/")


@dataclass(frozen=True)
class Plan:
    """The options of `modelctl bootstrap`."""

    repository: Source
    registry: Source
    revision: str = "HEAD"
    name: str = ROOT
    namespace: str = "argocd"
    requeue_seconds: int = 180
    store: str = ""

    def objects(self) -> list[Object]:
        """All objects to apply, in order."""
        sources = (self.repository, self.registry)
        return [
            *(item for source in sources for item in self._credentials(source)),
            self._project(),
            self._application(),
        ]

    def _credentials(self, source: Source) -> list[Object]:
        """The object that registers a source with Argo CD; none if one exists or none is needed."""
        name = f"{self.name}-{'repository' if source.kind == 'git' else 'charts'}"
        if source.credentials or (source.kind == "git" and not source.key):
            return []
        metadata = {"name": name, "namespace": self.namespace}
        labels = {TYPE_LABEL: "repository"}
        if not source.key:
            return [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {**metadata, "labels": labels},
                    "stringData": _description(source),
                }
            ]
        kind, _, store = self.store.rpartition("/")
        # The store's entry has the keys of an Argo CD repository Secret, such as username.
        template = {"metadata": {"labels": labels}, "data": _description(source)}
        return [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": metadata,
                "spec": {
                    "refreshInterval": "1h",
                    "secretStoreRef": {"kind": kind or "ClusterSecretStore", "name": store},
                    "target": {
                        "name": name,
                        "template": {**template, "engineVersion": "v2", "mergePolicy": "Merge"},
                    },
                    "dataFrom": [{"extract": {"key": source.key}}],
                },
            }
        ]

    def _project(self) -> Object:
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "description": "Projects and ApplicationSets of every environment",
                "sourceRepos": [self.repository.address],
                "destinations": [{"name": IN_CLUSTER, "namespace": self.namespace}],
                "clusterResourceWhitelist": [],
                "namespaceResourceWhitelist": [
                    {"group": "argoproj.io", "kind": "AppProject"},
                    {"group": "argoproj.io", "kind": "ApplicationSet"},
                ],
            },
        }

    def _application(self) -> Object:
        parameters = {
            "repoURL": "$ARGOCD_APP_SOURCE_REPO_URL",
            "revision": "$ARGOCD_APP_SOURCE_TARGET_REVISION",
            "chartRegistry": self.registry.address,
            "requeueAfterSeconds": str(self.requeue_seconds),
        }
        # Argo CD drops an empty value, so that the Application would stay OutOfSync.
        if self.name != ROOT:
            parameters["name"] = self.name
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "project": self.name,
                "source": {
                    "repoURL": self.repository.address,
                    "targetRevision": self.revision,
                    "path": "argocd",
                    "helm": {
                        "valueFiles": ["../environments/environments.yaml"],
                        "parameters": [
                            {"name": name, "value": value} for name, value in parameters.items()
                        ],
                    },
                },
                "destination": {"name": IN_CLUSTER, "namespace": self.namespace},
                "syncPolicy": {
                    "automated": {"prune": True, "selfHeal": True},
                    "retry": {
                        "limit": -1,
                        "refresh": True,
                        "backoff": {"duration": "5s", "factor": 2, "maxDuration": "20s"},
                    },
                    "syncOptions": ["ServerSideApply=true"],
                },
            },
        }


def settings(root: Path, namespace: str) -> list[Object]:
    """The Argo CD settings in `argocd/install`, for Argo CD's namespace."""
    objects = []
    for path in sorted((root / SETTINGS).glob("*.yaml")):
        content: Object = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        content["metadata"]["namespace"] = namespace
        objects.append(content)
    return objects


def unknown_clusters(wanted: Iterable[str], secrets: Iterable[Object]) -> list[str]:
    """The wanted clusters that are not registered with Argo CD, sorted."""
    known = {IN_CLUSTER, *(_decoded(secret, "name") for secret in secrets)}
    return sorted(set(wanted) - known)


def ensure_registry(registry: Source) -> None:
    """Raise ModelctlError for a registry without an address, as from an empty `chartRegistry`."""
    if not registry.address:
        raise ModelctlError(
            "no chart registry: every environment after the first pulls its chart from there",
            expected="--registry HOST/PATH",
            found=f"--registry '{registry.url}'",
            fix=f"set chartRegistry in {FILE}, for `make up` too",
        )


def ensure_same_repository(plan: Plan, application: Object | None) -> None:
    """Raise ModelctlError if an Application of that name follows another repository."""
    if application is None:
        return
    url = application["spec"].get("source", {}).get("repoURL", "")
    if url != plan.repository.address:
        raise ModelctlError(
            f"Application '{plan.name}' in namespace '{plan.namespace}' already exists",
            expected=f"source {plan.repository.address}",
            found=f"source {url}" if url else "several sources",
            fix="choose another name: --name NAME",
        )


def ensure_repository_secret(source: Source, secret: Object | None, namespace: str) -> None:
    """Raise ModelctlError for a Secret that Argo CD would not use for the source."""
    name = f"Secret '{source.credentials}' in namespace '{namespace}'"
    if secret is None:
        raise ModelctlError(f"{name} does not exist", fix="create it, or pass --store and a key")
    label = secret["metadata"].get("labels", {}).get(TYPE_LABEL, "")
    if label not in ("repository", "repo-creds"):
        raise ModelctlError(
            f"{name} is not a repository Secret",
            expected=f"label {TYPE_LABEL}: repository or repo-creds",
            found=label or "no such label",
            fix=f"kubectl -n {namespace} label secret {source.credentials} {TYPE_LABEL}=repository",
        )
    url = _decoded(secret, "url")
    if not (source.address == url or (label == "repo-creds" and source.address.startswith(url))):
        raise ModelctlError(
            f"{name} is for another {source.kind} source", expected=source.address, found=url
        )


def _description(source: Source) -> dict[str, str]:
    """The data of a repository Secret besides credentials."""
    if source.kind == "git":
        return {"type": "git", "url": source.address}
    plain = {"insecureOCIForceHttp": "true"} if source.url.startswith(HTTP) else {}
    return {"type": "helm", "enableOCI": "true", "url": source.address, "name": "charts", **plain}


def _decoded(secret: dict[str, Any], key: str) -> str:
    return base64.b64decode(secret.get("data", {}).get(key, "")).decode(errors="replace")
