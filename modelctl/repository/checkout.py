"""A checkout: its environments, and each model's value files in them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from modelctl import names
from modelctl.errors import ModelctlError
from modelctl.repository import graph, plain_files, yamlfile
from modelctl.repository.environments import FILE, Environment, Environments
from modelctl.repository.versions import Version, read_version

COMMON = "common.yaml"
VALUE_FILES = ("settings.yaml", "capacity.yaml", "version.yaml")
OVERRIDE_FILE = "override.yaml"  # beside them; not a value file
EXPERIMENT_FILE = "experiment.yaml"  # nor this one


@dataclass(frozen=True)
class Repository:
    """A checkout with `environments/`, its environments read and validated."""

    root: Path
    environments: tuple[Environment, ...]
    health_reporter: str = ""  # empty: no commit statuses are read

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The repository that contains `start` (default: the current folder)."""
        folder = find_root(start)
        plain_files.require(folder, folder / FILE)
        content = yamlfile.validate_strict(Environments, folder / FILE)
        return cls(folder, tuple(content.environments), content.health_reporter)

    def environment(self, name: str) -> Environment:
        """The environment of that name. Raises ModelctlError that lists the known names."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        known = [environment.name for environment in self.environments]
        raise ModelctlError(
            f"unknown environment '{name}'", expected=names.expectation(name, known)
        )

    def is_first(self, environment: Environment) -> bool:
        """Whether new builds enter here: it has no previous environment."""
        return not self.previous(environment)

    def previous(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments from which versions are promoted to this one; none for the first."""
        return tuple(self.environment(name) for name in self._before()[environment.name])

    def after(self, environment: Environment) -> tuple[Environment, ...]:
        """Every environment that a version reaches by way of this one, in promotion order."""
        names = graph.following(self._before(), environment.name)
        return tuple(self.environment(name) for name in names)

    def way_to(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments that a version passes on its way, in promotion order, and this one."""
        return tuple(
            each
            for each in self.environments
            if each == environment or environment in self.after(each)
        )

    def _before(self) -> dict[str, tuple[str, ...]]:
        return graph.previous([(each.name, each.after) for each in self.environments])

    def folder(self, environment: Environment, model: str) -> Path:
        """The folder of the model's value files in that environment.

        Raises RefusedError for a symbolic link, which git does not show as what Helm reads.
        """
        folder = self.root / "environments" / environment.name / model
        plain_files.require(self.root, folder)
        return folder

    def value_file(self, environment: Environment, model: str, name: str) -> Path:
        """One of the model's value files, existing or not; see `folder`."""
        path = self.folder(environment, model) / name
        plain_files.require(self.root, path)
        return path

    def value_files(self, environment: Environment, model: str) -> list[Path]:
        """The value files of a release in Argo CD's order, later ones override earlier ones."""
        common = self.root / "environments" / environment.name / COMMON
        plain_files.require(self.root, common)
        return [common, *(self.value_file(environment, model, name) for name in VALUE_FILES)]

    def version_file(self, environment: Environment, model: str) -> Path:
        """The file that a promotion copies."""
        return self.value_file(environment, model, "version.yaml")

    def version(self, environment: Environment, model: str) -> Version | None:
        """The released version in git; None if the model is not released there."""
        path = self.version_file(environment, model)
        return read_version(path, path.read_bytes()) if path.is_file() else None

    def models(self) -> list[str]:
        """Every model that has a folder in some environment, sorted."""
        return sorted({model for _, model in self.releases()})

    def releases(self) -> list[tuple[str, str]]:
        """Environment and model of each folder of a model, released or not, in order."""
        return [
            (environment.name, model)
            for environment in self.environments
            for model in _folders(self.root / "environments" / environment.name)
        ]

    def require_known(self, model: str) -> None:
        """Raise ModelctlError for a model that has no folder in any environment (often a typo)."""
        known = self.models()
        if model not in known:
            raise ModelctlError(
                f"unknown model '{model}'",
                expected=names.expectation(model, known),
                fix=f"create it with `modelctl new {model}`",
            )

    def require_model(self, environment: Environment, model: str) -> None:
        """Raise ModelctlError for a model without settings in that environment (often a typo)."""
        if not self.value_file(environment, model, "settings.yaml").is_file():
            raise ModelctlError(
                f"model '{model}' is not set up in environment '{environment.name}'",
                expected=names.expectation(model, self.models()),
                fix=f"create {self.folder(environment, model).relative_to(self.root)}/"
                "{settings,capacity}.yaml",
            )


def find_models() -> Path:
    """The folder that contains `models/`: a checkout, or the image of the trainer.

    Raises ModelctlError if there is none.
    """
    return find_root(None, "models")


def find_root(start: Path | None = None, *markers: Path | str) -> Path:
    """The folder of a checkout that contains `start` (default: the current folder).

    It is the nearest one with the list of environments, else with one of `markers`. Raises
    ModelctlError if there is none.
    """
    start = (start or Path.cwd()).resolve()
    for marker in (FILE, *markers):
        for folder in (start, *start.parents):
            if (folder / marker).exists():
                return folder
    raise ModelctlError(
        f"no {FILE} in {start} or its parent folders",
        fix="run this command inside a checkout of your models' repository",
    )


def _folders(path: Path) -> list[str]:
    """The folders in a folder, sorted; none if it is missing."""
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())
