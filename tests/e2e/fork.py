"""A second repository that the same Argo CD follows, with names of its own: built, pushed, removed.

Its models are the sandbox's iris, image and bundle; its environments are what a test asks for.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from modelctl.repository import yamlfile
from sandbox import kube
from sandbox.argocd import APPLICATIONS
from sandbox.bundles import run_modelctl
from sandbox.charts import CHARTS
from sandbox.layout import NAME as CONTEXT

from .loop import Loop, eventually

if TYPE_CHECKING:
    from sandbox.proc import Result

CAPACITY = {"replicaCount": 1}
COPIED = ("argocd", "charts/ml-model", "kustomize/environments/base")


@dataclass
class Fork:
    """`clusters` names the cluster of each environment, in order; the first is `<name>-a`."""

    loop: Loop
    folder: Path
    name: str
    clusters: list[str]
    models: list[str] = field(default_factory=lambda: ["iris"])
    capacity: dict[str, Any] = field(default_factory=lambda: dict(CAPACITY))

    @property
    def environments(self) -> list[str]:
        """Environments, and their namespaces."""
        return [f"{self.name}-{chr(ord('a') + index)}" for index in range(len(self.clusters))]

    @property
    def worktree(self) -> Path:
        """The clone that tests edit."""
        return self.folder / "worktree"

    @property
    def url(self) -> str:
        """What Argo CD follows."""
        return f"file://{self.folder / 'bare.git'}"

    def applications(self) -> list[str]:
        """The names of the releases' Applications."""
        return [f"{env}-{model}" for env in self.environments for model in self.models]

    # --- git

    def write(self) -> None:
        """Make the repository, with every file of it in one commit."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run(
            ["git", "init", "-q", "--bare", "-bmain", self.folder / "bare.git"], check=True
        )
        subprocess.run(["git", "init", "-q", "-bmain", self.worktree], check=True)
        self.git("remote", "add", "origin", str(self.folder / "bare.git"))
        for path in COPIED:
            shutil.copytree(self.loop.worktree / path, self.worktree / path)
        self.write_environments()
        for environment in self.environments:
            self.write_overlay(environment)
            self._write_releases(environment)
        self.push("Everything")

    def write_environments(self, keep: int | None = None) -> None:
        """Write environments.yaml, with the first `keep` environments only."""
        entries = [
            {
                "name": name,
                "namespace": name,
                "cluster": cluster,
                "promotion": "pull-request" if index else "auto",
            }
            for index, (name, cluster) in enumerate(
                zip(self.environments, self.clusters, strict=True)
            )
        ]
        self.save("environments/environments.yaml", {"environments": entries[:keep]})

    def write_overlay(self, environment: str) -> None:
        """Write the baseline of an environment, with a quota for whatever a test asks for."""
        quota = {"pods": "400", "requests.cpu": "8", "requests.memory": "16Gi"}
        patch = [
            {"op": "replace", "path": "/spec/hard", "value": {**quota, "limits.memory": "16Gi"}}
        ]
        self.save(
            f"kustomize/environments/overlays/{environment}/kustomization.yaml",
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "namespace": environment,
                "resources": ["../../base"],
                "patches": [{"target": {"kind": "ResourceQuota"}, "patch": yaml.safe_dump(patch)}],
            },
        )

    def _write_releases(self, environment: str) -> None:
        version = self.loop.worktree / "environments/dev/iris/version.yaml"
        settings = {"model": {"name": "iris"}}
        for model in self.models:
            folder = f"environments/{environment}/{model}"
            self.save(f"{folder}/settings.yaml", settings)
            self.save(f"{folder}/capacity.yaml", self.capacity)
            shutil.copy(version, self.worktree / folder / "version.yaml")
        self.save(f"environments/{environment}/common.yaml", {"requireDigest": True})

    def save(self, path: str, content: Any) -> None:
        """Write a YAML file of the worktree."""
        yamlfile.write(self.worktree / path, yaml.safe_dump(content, sort_keys=False))

    def git(self, *words: str) -> None:
        """Run git in the worktree."""
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        subprocess.run(["git", "-C", self.worktree, *identity, *words], check=True)

    def push(self, message: str) -> None:
        """Commit everything and push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "main")

    # --- the cluster

    def bootstrap(self, *options: str) -> Result:
        """Let Argo CD follow it, as a user would."""
        return run_modelctl(
            self.loop.layout,
            self.worktree,
            *("bootstrap", "--context", CONTEXT, "--name", self.name),
            *("--repo", self.url, "--revision", "main", "--registry", f"http://{CHARTS}"),
            *("--poll-seconds", "5", *options),
            code=self.loop.worktree,
        )

    def states(self) -> dict[str, str]:
        """Sync and health of each release."""
        found = self.loop.get("applications", "--namespace=argocd")["items"]
        return {
            item["metadata"]["name"]: "{} {}".format(
                item.get("status", {}).get("sync", {}).get("status"),
                item.get("status", {}).get("health", {}).get("status"),
            )
            for item in found
            if item["metadata"]["name"].startswith(f"{self.name}-")
        }

    def wait_healthy(self, deadline_seconds: float = 180) -> float:
        """Wait until releases, namespaces and baselines are Synced and Healthy; returns seconds."""
        parts = ("namespace", "baseline")
        wanted = {*self.applications()}
        wanted |= {f"{env}-{part}" for env in self.environments for part in parts}

        def probe() -> tuple[bool, Any]:
            states = self.states()
            pending = {name: states.get(name, "not there") for name in sorted(wanted)}
            pending = {name: s for name, s in pending.items() if s != "Synced Healthy"}
            return not pending, pending

        with kube.watching(self.loop.layout, APPLICATIONS) as pause:
            return eventually(f"{self.name}: all healthy", probe, deadline_seconds, pause)

    def remove(self) -> None:
        """Take everything out again: first what would bring the rest back."""
        argocd = "--namespace=argocd"
        quiet = ("--ignore-not-found", "--wait=true")
        kubectl = self.loop.kubectl
        kubectl("delete", "application", self.name, argocd, *quiet)
        names = [f"{self.name}-{part}" for part in ("models", "baselines", "namespaces")]
        kubectl("delete", "applicationset", *names, argocd, *quiet)
        for kind in ("applications", "appprojects"):
            items = self.loop.get(kind, argocd)["items"]
            names = [item["metadata"]["name"] for item in items]
            ours = [n for n in names if n == self.name or n.startswith(f"{self.name}-")]
            if ours:
                kubectl("delete", kind, *ours, argocd, *quiet)
        kubectl("delete", "secret", f"{self.name}-charts", argocd, *quiet)
        kubectl("delete", "namespace", *self.environments, *quiet, "--timeout=120s")
        shutil.rmtree(self.folder, ignore_errors=True)
