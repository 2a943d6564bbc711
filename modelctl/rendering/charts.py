"""Which chart renders a release: the checkout's in the first environment, later a pinned version.

The chart is promoted with the version: an edited template reaches later environments by promotion
only. A pinned chart other than the checkout's comes from the cache, else from the registry; a
version is pushed once, so the cache never goes stale.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl import proc
from modelctl.errors import ModelctlError
from modelctl.repository import plain_files, strict_yaml
from modelctl.repository.environments import CHART, FILE
from modelctl.repository.versions import CHART_VERSION, precedence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

NAME = Path(CHART).name
DEFINITION = f"{CHART}/Chart.yaml"
# Excluded from the package by .helmignore: these may change without a new version, unlike that file
# itself.
NOT_PACKAGED = ("ci", "tests", "golden", ".schema.yaml", "README.md.gotmpl")
REGISTRY_VARIABLE = "CHART_REGISTRY"
REGISTRY_KEY = "chartRegistry"
HTTP = "http://"
PULL_SECONDS = 60


def folder_version(root: Path) -> str:
    """The version of the chart in a checkout."""
    return str(strict_yaml.read(root / DEFINITION).content["version"])


def pinned_version(version_file: Path) -> str:
    """The chart version that a version file pins; empty if it pins none."""
    pinned = strict_yaml.read(version_file).content.get("chart")
    return str(pinned.get("version", "")) if isinstance(pinned, dict) else ""


def find(repository: Repository, environment: Environment, model: str, helm: str) -> Path:
    """The chart, a folder or an archive, that renders a release; pulled if necessary.

    Raises ModelctlError if the version file pins none, or the pinned one is not available.
    """
    folder = repository.root / CHART
    plain_files.require_all(repository.root, folder)
    if repository.is_first(environment):
        return folder
    version_file = repository.version_file(environment, model)
    version = pinned_version(version_file)
    if not version:
        name = version_file.relative_to(repository.root)
        raise ModelctlError(
            f"{name} pins no chart version",
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
            f"chart {NAME} {version} is not available locally",
            expected=f"{folder_version(repository.root)}, as in {CHART}, or a chart registry",
            fix=f"set {REGISTRY_KEY} in {FILE}, or ${REGISTRY_VARIABLE}",
        )
    _pull(registry, version, archive, helm)
    return archive


def registry_of(repository: Repository) -> str:
    """The registry of released charts, `host/path`, or empty; `$CHART_REGISTRY` overrides."""
    registry = os.environ.get(REGISTRY_VARIABLE)
    if not registry:
        registry = strict_yaml.read(repository.root / FILE).content.get(REGISTRY_KEY, "")
    return str(registry).removeprefix("oci://").rstrip("/")


def cached(registry: str, version: str) -> Path:
    """The cache path of a pulled chart, existing or not; one folder per registry."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = registry.removeprefix(HTTP).replace("/", "_").replace(":", "_") or "none"
    return cache / "modelctl" / "charts" / folder / f"{NAME}-{version}.tgz"


def is_packaged(path: str) -> bool:
    """Whether a file is part of the chart that is released."""
    name = path.removeprefix(f"{CHART}/")
    return name != path and name.partition("/")[0] not in NOT_PACKAGED


def release_violations(changed: Iterable[str], before: str | None, after: str | None) -> list[str]:
    """Why changed files cannot be promoted as part of the chart: its version is unchanged.

    `before` and `after` are the texts of its Chart.yaml.
    """
    count = sum(map(is_packaged, changed))
    if not count or before is None:
        return []
    if after is None:
        return [f"{DEFINITION}: missing; every environment renders that chart"]
    path = Path(DEFINITION)
    version = strict_yaml.parse(after, path).content.get("version")
    if not isinstance(version, str):
        return [f"{DEFINITION}: expected `version` as text, found {version}"]
    try:
        released = strict_yaml.parse(before, path).content.get("version")
    except ModelctlError:  # nothing was released of a chart that no reader accepts
        return []
    if version != released:
        return _version_violations(version, released)
    return [
        f"{DEFINITION}: {count} chart files changed, but the version is still {version}, "
        "and released versions are immutable; raise the version"
    ]


def _version_violations(version: str, released: object) -> list[str]:
    """Why a changed version of the chart cannot be the next one."""
    if not re.fullmatch(CHART_VERSION, version):
        return [f"{DEFINITION}: expected a semantic version such as 0.2.0, found {version}"]
    is_comparable = isinstance(released, str) and re.fullmatch(CHART_VERSION, released)
    if is_comparable and precedence(version) < precedence(str(released)):
        return [
            f"{DEFINITION}: the version goes from {released} to {version}, which may be released "
            f"already; expected a later one, also to take a change of the chart back"
        ]
    return []


def _pull(registry: str, version: str, archive: Path, helm: str) -> None:
    """Pull the chart into the cache atomically."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    plain = ["--plain-http"] if registry.startswith(HTTP) else []
    source = f"oci://{registry.removeprefix(HTTP)}/{NAME}"
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        proc.run(
            [helm, "pull", source, "--version", version, "--destination", folder, *plain],
            timeout_seconds=PULL_SECONDS,
            fix=f"log in with `helm registry login {source.removeprefix('oci://').split('/')[0]}`, "
            f"or push chart version {version}",
        )
        (Path(folder) / archive.name).replace(archive)
