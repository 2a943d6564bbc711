"""Render a release exactly as Argo CD does: its chart with its four value files."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.rendering import charts
from modelctl.repository import variants

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

# Helm's default Kubernetes version depends on its build.
KUBE_VERSION = "1.36.1"

Manifest = dict[str, Any]


def find_helm(root: Path) -> str:
    """The Helm to use: `$HELM`, else `helm` on PATH, else the repository's pinned build."""
    pinned = root / ".tools" / "bin" / "helm4"
    for candidate in (os.environ.get("HELM", ""), "helm", str(pinned)):
        if candidate and shutil.which(candidate):
            return candidate
    raise ModelctlError(
        "Helm is not installed",
        expected="`helm` on PATH, or $HELM",
        fix="install Helm, or build the pinned version: make tools TOOLS=helm4",
    )


def release_text(
    repository: Repository, environment: Environment, model: str, helm: str = ""
) -> str:
    """The manifests of a release as YAML.

    `helm` is the program; default: `find_helm`. Raises ModelctlError for a model that is not
    released there, and with Helm's stderr if rendering fails.
    """
    repository.require_model(environment, model)
    files = repository.value_files(environment, model)
    if not files[-1].is_file():
        raise ModelctlError(
            f"'{model}' is not released in '{environment.name}'",
            expected=str(files[-1].relative_to(repository.root)),
            fix=f"modelctl bump {model} or modelctl promote {model} --to {environment.name}",
        )
    files += variants.paths(repository.folder(environment, model))
    arguments = [part for file in files for part in ("--values", str(file))]
    if repository.is_first(environment):
        # The first environment renders the checkout's chart, whatever its version file pins.
        arguments += ["--set-string", "chart.version="]
    helm = helm or find_helm(repository.root)
    chart = charts.find(repository, environment, model, helm)
    return proc.run(
        [
            *(helm, "template", model, str(chart)),
            *("--namespace", environment.namespace, "--kube-version", KUBE_VERSION),
            *("--include-crds", *arguments),
        ],
        fix="correct the value that Helm reports, then run the command again",
    )


def parse(text: str) -> list[Manifest]:
    """The objects in a stream of YAML documents."""
    return [document for document in YAML(typ="safe").load_all(text) if document]


def release(
    repository: Repository, environment: Environment, model: str, helm: str = ""
) -> list[Manifest]:
    """The objects of a release; see `release_text`."""
    return parse(release_text(repository, environment, model, helm))
