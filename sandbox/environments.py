"""The environments and releases that git declares, as far as the sandbox needs them.

Only reads; `modelctl`, which the sandbox runs as a command, validates and writes these files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """An environment, and the names of those from which versions are promoted to it.

    With `direct` new builds are deployed to it without promotion; with `verified` a version has to
    be verified here before it is promoted further.
    """

    name: str
    namespace: str
    direct: bool
    after: tuple[str, ...] = ()
    verified: bool = False


@dataclass(frozen=True)
class Release:
    """One model in one environment, by its version file; `image` is `repository:tag@digest`.

    `chart` is the version of the chart, empty when none is pinned.
    """

    environment: str
    namespace: str
    model: str
    version: str
    digest: str
    image: str
    chart: str = ""

    @property
    def name(self) -> str:
        """The name of its Argo CD Application."""
        return f"{self.environment}-{self.model}"


def read_environments(root: Path) -> list[Environment]:
    """Return the environments in the order of promotion. Raises SandboxError."""
    entries = _read(root / "environments" / "environments.yaml")["environments"]
    above = [None, *(entry["name"] for entry in entries)]
    return [
        Environment(
            entry["name"],
            entry["namespace"],
            entry["promotion"] == "auto",
            # By default the one listed just above.
            tuple(entry.get("after", [name] if name else [])),
            bool(entry.get("verification")),
        )
        for entry, name in zip(entries, above, strict=False)
    ]


def read_releases(root: Path) -> list[Release]:
    """Return a release for each version file, in the order of environments, then by model.

    Raises SandboxError.
    """
    releases = []
    for environment in read_environments(root):
        folder = root / "environments" / environment.name
        for path in sorted(folder.glob("*/version.yaml")):
            content = _read(path)
            image, model = content["image"], content["model"]
            releases.append(
                Release(
                    environment.name,
                    environment.namespace,
                    path.parent.name,
                    str(model["version"]),
                    model["digest"],
                    f"{image['repository']}:{image['tag']}@{image['digest']}",
                    str(content.get("chart", {}).get("version", "")),
                )
            )
    return releases


def chart_version(root: Path) -> str:
    """Return the version of the chart in the repository. Raises SandboxError."""
    return str(_read(root / "charts" / "ml-model" / "Chart.yaml")["version"])


def models_of(root: Path, environment: str) -> list[str]:
    """Return the models that have settings in an environment, released there or not."""
    folder = root / "environments" / environment
    return sorted(path.parent.name for path in folder.glob("*/settings.yaml"))


def models_with_folder(root: Path) -> list[str]:
    """Return the models with settings in any environment and a folder in `models/`."""
    configured = {
        model for entry in read_environments(root) for model in models_of(root, entry.name)
    }
    return sorted(
        model for model in configured if (root / "models" / model / "model.yaml").is_file()
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SandboxError(
            f"cannot read {path}",
            found=str(error),
            expected="a YAML file that `modelctl check` accepts",
            fix=f"run `modelctl check` in {path.parent}",
        ) from error
    return content
