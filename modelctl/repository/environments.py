"""The environments in promotion order, and each model's three value files.

`environments/environments.yaml` lists the environments in promotion order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from modelctl import names
from modelctl.errors import ModelctlError
from modelctl.repository import graph, yamlfile

if TYPE_CHECKING:
    from datetime import datetime

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
# As in CODEOWNERS: @user, @organisation/team or an email address.
Owner = Annotated[str, StringConstraints(pattern=r"^(@[\w.-]+(/[\w.-]+)?|[^@\s]+@[^@\s]+)$")]

CHART = "charts/ml-model"
FILE = Path("environments/environments.yaml")
COMMON = "common.yaml"
ALL_MODELS = "*"
SHORT_DIGITS = 12
VALUE_FILES = ("settings.yaml", "capacity.yaml", "version.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


def short(digest: str) -> str:
    """The first hex digits of a digest, for display."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


class Freeze(_Strict):
    """A period without changes, from `start` to `until` (both UTC), and its reason."""

    start: Annotated[AwareDatetime, Field(alias="from")]
    until: AwareDatetime
    reason: Text

    @model_validator(mode="after")
    def _forward(self) -> Freeze:
        if self.until <= self.start:
            raise ValueError("`until` must be later than `from`")
        return self


class Environment(_Strict):
    """A namespace of a cluster, and how versions get into it."""

    name: DnsLabel
    namespace: DnsLabel
    cluster: Annotated[Text, Field(description="Name of the cluster as Argo CD knows it.")]
    promotion: Annotated[
        Literal["auto", "pull-request"],
        Field(
            description="auto: new builds are written here (first environment only). "
            "pull-request: versions are promoted from the previous environments, by review."
        ),
    ]
    after: Annotated[
        list[DnsLabel] | None,
        Field(
            description="The previous environments, from which versions are promoted: names of "
            "environments listed above. A version has to be in all of them. Default: the "
            "environment listed just above."
        ),
    ] = None
    soak_minutes: Annotated[
        int,
        Field(
            alias="soakMinutes",
            ge=0,
            description="Soak time: minutes a version has to run in each previous environment "
            "before it may be promoted to this one.",
        ),
    ] = 0
    approvals: Annotated[
        list[Owner],
        Field(
            description="Owners who have to approve a change of this environment; "
            "`make generate` writes them into .github/CODEOWNERS."
        ),
    ] = []
    freezes: Annotated[
        dict[Literal["*"] | DnsLabel, Freeze],
        Field(description="Freezes by model; `*` means all models. See `modelctl freeze`."),
    ] = {}

    def active_freeze(self, model: str, now: datetime) -> Freeze | None:
        """The freeze that applies to a model at `now`, if any."""
        for scope in (ALL_MODELS, model):
            freeze = self.freezes.get(scope)
            if freeze is not None and freeze.start <= now < freeze.until:
                return freeze
        return None


class Environments(_Strict):
    """All environments, in promotion order."""

    environments: Annotated[list[Environment], Field(min_length=1)]
    chart_registry: Annotated[
        str,
        Field(
            alias="chartRegistry",
            description="Registry of released charts, `host/path`: environments after the first "
            "pull the chart version that their version file pins.",
        ),
    ] = ""

    @model_validator(mode="after")
    def _ordered(self) -> Environments:
        """Each problem of the order of promotion with its own keys, so that it has a line."""
        entries = [(environment.name, environment.after) for environment in self.environments]
        problems = list(graph.problems(entries))
        if problems:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError("order", "{text}", {"text": text}),
                        loc=("environments", *keys),
                        input=None,
                    )
                    for keys, text in problems
                ],
            )
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Environments:
        names = [environment.name for environment in self.environments]
        namespaces = [f"{e.cluster}/{e.namespace}" for e in self.environments]
        for what, values in (("name", names), ("namespace", namespaces)):
            duplicates = sorted({value for value in values if values.count(value) > 1})
            if duplicates:
                raise ValueError(f"duplicate {what}: {', '.join(duplicates)}")
        auto = [e.name for e in self.environments if e.promotion == "auto"]
        if auto != names[:1]:
            raise ValueError(
                f"`promotion: auto` is for the first environment only: expected {names[0]}, "
                f"found {', '.join(auto) or 'none'}"
            )
        return self


class ImageVersion(_Strict):
    """The serving image: pulled by digest; the tag is informational."""

    repository: Text
    tag: Text
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


class ModelVersion(_Strict):
    """The bundle that the pod must serve."""

    version: Text
    digest: Digest


class ChartVersion(_Strict):
    """The chart version that renders the release, unless it is the checkout's own chart."""

    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")]


class Version(_Strict):
    """The content of a version file: everything that a promotion copies.

    Only the first environment may omit `chart`: it renders the checkout's own chart.
    """

    image: ImageVersion
    model: ModelVersion
    chart: ChartVersion | None = None


@dataclass(frozen=True)
class Repository:
    """A checkout with `environments/`, its environments read and validated."""

    root: Path
    environments: tuple[Environment, ...]

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The repository that contains `start` (default: the current folder)."""
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                content = yamlfile.validate(Environments, folder / FILE)
                return cls(folder, tuple(content.environments))
        raise ModelctlError(
            f"no {FILE} in {start} or its parent folders",
            fix="run this command inside a checkout of your models' repository",
        )

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

    def _before(self) -> dict[str, tuple[str, ...]]:
        return graph.previous([(each.name, each.after) for each in self.environments])

    def folder(self, environment: Environment, model: str) -> Path:
        """The folder of the model's value files in that environment."""
        return self.root / "environments" / environment.name / model

    def version_file(self, environment: Environment, model: str) -> Path:
        """The file that a promotion copies."""
        return self.folder(environment, model) / "version.yaml"

    def version(self, environment: Environment, model: str) -> Version | None:
        """The released version in git; None if the model is not released there."""
        path = self.version_file(environment, model)
        return yamlfile.validate(Version, path) if path.is_file() else None

    def models(self) -> list[str]:
        """Every model that has a folder in some environment, sorted."""
        return sorted(
            {
                folder.name
                for environment in self.environments
                for folder in (self.root / "environments" / environment.name).glob("*/")
                if folder.is_dir()
            }
        )

    def require_model(self, environment: Environment, model: str) -> None:
        """Raise ModelctlError for a model without settings in that environment (often a typo)."""
        if not (self.folder(environment, model) / "settings.yaml").is_file():
            raise ModelctlError(
                f"model '{model}' is not set up in environment '{environment.name}'",
                expected=names.expectation(model, self.models()),
                fix=f"create {self.folder(environment, model).relative_to(self.root)}/"
                "{settings,capacity}.yaml",
            )


_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9.:-]+(?:/[a-z0-9._-]+)+):(?P<tag>[\w][\w.-]{0,127})"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


def parse_image(reference: str) -> ImageVersion:
    """Parse `repository:tag@sha256:...`. Raises ModelctlError for anything less exact."""
    match = _IMAGE.fullmatch(reference)
    if match is None:
        raise ModelctlError(
            f"image '{reference}' is not pinned by tag and digest",
            expected="REPOSITORY:TAG@sha256:<64 hex digits>",
            fix="use the digest that the registry reported when the image was pushed",
        )
    return ImageVersion(**match.groupdict())
