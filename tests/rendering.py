"""Render charts and overlays with the pinned tools, for every suite that looks at manifests.

A tool that is missing is a failure that says how to build it, never a skip. Knows nothing of what
the manifests should say.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.paths import ROOT

CHART = ROOT / "charts" / "ml-model"
ARGOCD_CHART = ROOT / "argocd"
ENVIRONMENTS = ROOT / "environments"
OVERLAYS = ROOT / "kustomize" / "environments" / "overlays"
TOOLS = ROOT / ".tools" / "bin"

KUBE_VERSION = "1.36.1"
HELMS = ("helm3", "helm4")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a command answered."""

    code: int
    stdout: str
    stderr: str


def run(*argv: str | Path, stdin: str | None = None) -> Result:
    """Run a command to its end, whatever its exit code."""
    done = subprocess.run(
        [str(part) for part in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def tool(name: str) -> Path:
    """The pinned tool; an AssertionError with the command that builds it when it is missing."""
    path = TOOLS / name
    assert path.exists(), (
        f"{path.relative_to(ROOT)} is missing: run `python3 -m tools build chart e2e`"
    )
    return path


def try_template(helm: str, chart: Path, release: str, namespace: str, *arguments: str) -> Result:
    """What `helm template` answers; the arguments are its own (`--values`, `--set` ...)."""
    return run(
        tool(helm),
        "template",
        release,
        chart,
        "--namespace",
        namespace,
        "--kube-version",
        KUBE_VERSION,
        *arguments,
    )


def parse(text: str) -> list[Manifest]:
    """The objects in a stream of YAML documents."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def template(
    helm: str, chart: Path, release: str, namespace: str, *arguments: str
) -> list[Manifest]:
    """The objects that a chart renders, in its order."""
    result = try_template(helm, chart, release, namespace, *arguments)
    assert result.code == 0, result.stderr
    return parse(result.stdout)


def build_overlay(overlay: Path) -> list[Manifest]:
    """The objects that a Kustomize overlay builds."""
    result = run(tool("kustomize"), "build", overlay)
    assert result.code == 0, result.stderr
    return parse(result.stdout)


def values(*files: Path) -> list[str]:
    """Value files as arguments, later wins."""
    return [part for file in files for part in ("--values", str(file))]


def environments(folder: Path = ENVIRONMENTS) -> list[dict[str, str]]:
    """The environments of a folder (default: of this repository), in order."""
    content = yaml.safe_load((folder / "environments.yaml").read_text(encoding="utf-8"))
    return list(content["environments"])


def releases() -> list[tuple[str, str]]:
    """Every (environment, model) that has a folder."""
    return [
        (environment["name"], folder.name)
        for environment in environments()
        for folder in sorted((ENVIRONMENTS / environment["name"]).glob("*/"))
    ]


def release_values(
    environment: str, model: str, version: Path, environments: Path = ENVIRONMENTS
) -> list[str]:
    """The value files of a release in the order that Argo CD uses, as arguments."""
    folder = environments / environment
    return values(
        folder / "common.yaml",
        folder / model / "settings.yaml",
        folder / model / "capacity.yaml",
        version,
    )


def namespace_of(environment: str) -> str:
    """The namespace of an environment."""
    return next(e["namespace"] for e in environments() if e["name"] == environment)


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those objects that are of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def only(manifests: list[Manifest], kind: str) -> Manifest:
    """The one object of a kind."""
    (manifest,) = of_kind(manifests, kind)
    return manifest
