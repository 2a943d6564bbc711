"""Which chart renders a release: the folder in the first environment, later the pinned version.

The chart travels with a version: an edited template reaches an environment by promotion only.
A pinned chart that is not the folder's comes from a cache, else from the registry; a version is
never pushed twice, so what is in the cache stays true.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo, yamlfile
from modelctl.repository.environments import CHART, FILE

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment, Repository

NAME = Path(CHART).name
DEFINITION = f"{CHART}/Chart.yaml"
# What .helmignore keeps out of the package: it may change without a new version.
NOT_PACKAGED = ("ci", "tests", "golden", ".schema.yaml", "README.md.gotmpl", ".helmignore")
REGISTRY_VARIABLE = "CHART_REGISTRY"
REGISTRY_KEY = "chartRegistry"
HTTP = "http://"
PULL_SECONDS = 60


def folder_version(root: Path) -> str:
    """The version of the chart in a checkout."""
    return str(yamlfile.read(root / DEFINITION)["version"])


def pinned_version(version_file: Path) -> str:
    """The chart that a version file pins; empty when it pins none."""
    pinned = yamlfile.read(version_file).get("chart")
    return str(pinned.get("version", "")) if isinstance(pinned, dict) else ""


def find(repository: Repository, environment: Environment, model: str, helm: str) -> Path:
    """The chart, folder or archive, that renders a release; a missing one is pulled.

    Raises ModelctlError when the version file pins none, or when nothing can supply the pinned one.
    """
    folder = repository.root / CHART
    if repository.before(environment) is None:
        return folder
    version_file = repository.version_file(environment, model)
    version = pinned_version(version_file)
    if not version:
        name = version_file.relative_to(repository.root)
        raise ModelctlError(
            f"{name} pins no chart",
            expected="chart.version",
            fix=f"modelctl promote {model} --to {environment.name}",
        )
    registry = registry_of(repository)
    archive = cached(registry, version)
    if archive.is_file():
        return archive
    if version == folder_version(repository.root):
        return folder
    if not registry:
        raise ModelctlError(
            f"chart {NAME} {version} is not at hand",
            expected=f"{folder_version(repository.root)}, the one in {CHART}, or a registry",
            fix=f"set {REGISTRY_KEY} in {FILE}, or ${REGISTRY_VARIABLE}",
        )
    _pull(registry, version, archive, helm)
    return archive


def registry_of(repository: Repository) -> str:
    """Where released charts are, `host/path`; `$CHART_REGISTRY` wins. Empty when nobody says."""
    named = os.environ.get(REGISTRY_VARIABLE) or yamlfile.read(repository.root / FILE).get(
        REGISTRY_KEY, ""
    )
    return str(named).removeprefix("oci://").rstrip("/")


def cached(registry: str, version: str) -> Path:
    """Where a pulled chart is kept, whether it is there or not; one folder for each registry."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = registry.removeprefix(HTTP).replace("/", "_").replace(":", "_") or "none"
    return home / "modelctl" / "charts" / place / f"{NAME}-{version}.tgz"


def release_violations(root: Path, base: str) -> list[str]:
    """Why a chart that differs from `base` cannot be promoted: its version is that of before."""
    excluded = (f":(exclude){CHART}/{name}" for name in NOT_PACKAGED)
    changed = gitrepo.changed_since(root, base, (CHART, *excluded))
    before = gitrepo.text_at(root, base, root / DEFINITION)
    if not changed or before is None:
        return []
    version = folder_version(root)
    if str(yamlfile.parse(before, root / DEFINITION)["version"]) != version:
        return []
    return [
        f"{DEFINITION}: {len(changed)} files of the chart changed and its version is still "
        f"{version}, which is released already and stays as it is: raise it"
    ]


def _pull(registry: str, version: str, archive: Path, helm: str) -> None:
    """Put the chart into the cache, whole or not at all."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    plain = ["--plain-http"] if registry.startswith(HTTP) else []
    source = f"oci://{registry.removeprefix(HTTP)}/{NAME}"
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        proc.run(
            [helm, "pull", source, "--version", version, "--destination", folder, *plain],
            timeout_seconds=PULL_SECONDS,
            fix=f"`helm registry login {source.removeprefix('oci://').split('/')[0]}`, "
            f"or push the chart: version {version} has to be there",
        )
        (Path(folder) / archive.name).replace(archive)
