"""What an existing Argo CD needs to follow a repository: planned as objects, nothing is sent here.

One Application, in a project that allows nothing but the projects and ApplicationSets below it;
everything else follows from git. Credentials never come from here: they are in Secrets that exist
already, or an ExternalSecret fetches them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ruamel.yaml import YAML

from modelctl.errors import ModelctlError

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
    """Something that Argo CD reads, and where its credentials are; none for what is public.

    `credentials` is a Secret in Argo CD's namespace; `key` is an entry of the secret store.
    """

    kind: Literal["git", "helm"]
    url: str
    credentials: str = ""
    key: str = ""

    @property
    def address(self) -> str:
        """The URL as Applications name it: a registry goes without a scheme."""
        return self.url if self.kind == "git" else self.url.removeprefix(HTTP).rstrip("/")


@dataclass(frozen=True)
class Plan:
    """What `modelctl bootstrap` is asked for."""

    repository: Source
    registry: Source
    revision: str = "HEAD"
    name: str = ROOT
    namespace: str = "argocd"
    requeue_seconds: int = 180
    store: str = ""

    def objects(self) -> list[Object]:
        """Everything that is applied, in order."""
        sources = (self.repository, self.registry)
        return [
            *(item for source in sources for item in self._credentials(source)),
            self._project(),
            self._application(),
        ]

    def _credentials(self, source: Source) -> list[Object]:
        """The object by which Argo CD knows a source; none where one exists or none is needed."""
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
        # The store's entry has the keys of an Argo CD credential: username and password, or others.
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
        # The first repository of an Argo CD needs none; and Argo CD drops an empty value, which
        # would differ from ours for ever.
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
                        "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"},
                    },
                    "syncOptions": ["ServerSideApply=true"],
                },
            },
        }


def settings(root: Path, namespace: str) -> list[Object]:
    """The settings that we want of every Argo CD, from `argocd/install`, for its namespace."""
    found = []
    for path in sorted((root / SETTINGS).glob("*.yaml")):
        content: Object = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        content["metadata"]["namespace"] = namespace
        found.append(content)
    return found


def unknown_clusters(wanted: Iterable[str], secrets: Iterable[Object]) -> list[str]:
    """Which of the clusters that environments name Argo CD does not know, in order."""
    known = {IN_CLUSTER, *(_decoded(secret, "name") for secret in secrets)}
    return sorted(set(wanted) - known)


def refuse_foreign(plan: Plan, application: Object | None) -> None:
    """Refuse to take over an Application of our name that follows another repository."""
    if application is None:
        return
    found = application["spec"].get("source", {}).get("repoURL", "")
    if found != plan.repository.address:
        raise ModelctlError(
            f"Application '{plan.name}' in namespace '{plan.namespace}' is there already",
            expected=f"one that follows {plan.repository.address}",
            found=found or "one without a single source",
            fix="choose another name: --name NAME",
        )


def refuse_secret(source: Source, secret: Object | None, namespace: str) -> None:
    """Refuse a Secret that is to hold credentials of a source and that Argo CD would not use."""
    name = f"Secret '{source.credentials}' in namespace '{namespace}'"
    if secret is None:
        raise ModelctlError(f"{name} does not exist", fix="create it, or name a secret store")
    label = secret["metadata"].get("labels", {}).get(TYPE_LABEL, "")
    if label not in ("repository", "repo-creds"):
        raise ModelctlError(
            f"{name} is no credential of a repository",
            expected=f"label {TYPE_LABEL}: repository or repo-creds",
            found=label or "no such label",
            fix=f"kubectl -n {namespace} label secret {source.credentials} {TYPE_LABEL}=repository",
        )
    url = _decoded(secret, "url")
    if not (source.address == url or (label == "repo-creds" and source.address.startswith(url))):
        raise ModelctlError(
            f"{name} is of another {source.kind} source", expected=source.address, found=url
        )


def _description(source: Source) -> dict[str, str]:
    """What Argo CD has to know of a source beside its credentials."""
    if source.kind == "git":
        return {"type": "git", "url": source.address}
    plain = {"insecureOCIForceHttp": "true"} if source.url.startswith(HTTP) else {}
    return {"type": "helm", "enableOCI": "true", "url": source.address, "name": "charts", **plain}


def _decoded(secret: dict[str, Any], key: str) -> str:
    return base64.b64decode(secret.get("data", {}).get(key, "")).decode(errors="replace")
