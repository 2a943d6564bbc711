"""The environments in promotion order, and each model's three value files.

`environments/environments.yaml` lists the environments in promotion order.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from modelctl import names
from modelctl.errors import ModelctlError
from modelctl.repository import graph, plain_files, yamlfile
from modelctl.repository.windows import Window  # noqa: TC001 - pydantic reads it at run time

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$")]
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
# As contexts are called, from `in-cluster` to `arn:aws:eks:eu-west-1:1234:cluster/ml`.
Cluster = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9@:/._-]{0,252}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
# As in CODEOWNERS: @user, @organisation/team or an email address.
Owner = Annotated[
    str, StringConstraints(pattern=r"^(@[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?|[^@\s]+@[^@\s]+)$")
]

CHART = "charts/ml-model"
FILE = Path("environments/environments.yaml")
COMMON = "common.yaml"
ALL_MODELS = "*"
SHORT_DIGITS = 12
# Semantic: pre-release and build metadata are optional.
CHART_VERSION = r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
VALUE_FILES = ("settings.yaml", "capacity.yaml", "version.yaml")
OVERRIDE_FILE = "override.yaml"  # beside them; not a value file

# A freeze is not among them: Argo CD would not apply the version, so it has to be ended in git.
OverridableRule = Literal["order", "soak", "health", "verification", "window"]
Check = Literal["sample", "captured"]


MAX_SOAK_MINUTES = 366 * 24 * 60
REGISTRY = r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*"
LOGIN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\[bot\])?$"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


def _utc(value: object) -> object:
    """The time in a text; the argocd/ chart reads this form alone, to the second and in UTC."""
    if not isinstance(value, str):
        return value
    if re.fullmatch(_TIME, value, re.ASCII) is None:
        raise ValueError("expected a time in UTC such as 2026-12-24T18:00:00Z")
    return datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC)


Time = Annotated[
    datetime, BeforeValidator(_utc), WithJsonSchema({"type": "string", "pattern": _TIME})
]


def _not_any_workflow(login: str) -> str:
    if login.casefold() == "github-actions[bot]":
        raise ValueError(
            "expected an account of its own: any workflow can write statuses as github-actions[bot]"
        )
    return login


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_by_name=True)


def short(digest: str) -> str:
    """The first hex digits of a digest, for display."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


class Freeze(_Strict):
    """A period without changes, from `start` to `until` (both UTC), and its reason."""

    start: Annotated[Time, Field(alias="from")]
    until: Time
    reason: Text

    @model_validator(mode="after")
    def _forward(self) -> Freeze:
        if self.until <= self.start:
            raise ValueError("`until` must be later than `from`")
        return self


class Overrides(_Strict):
    """Which rules a promotion to an environment may leave out, and who has to approve that."""

    rules: Annotated[
        list[OverridableRule],
        Field(min_length=1, description="Rules that `modelctl promote --override` may leave out."),
    ]
    approvers: Annotated[
        list[Owner],
        Field(
            min_length=1,
            description="Owners of the records of overrides; `make generate` writes them into "
            ".github/CODEOWNERS.",
        ),
    ]


class Environment(_Strict):
    """A namespace of a cluster, and how versions get into it."""

    name: DnsLabel
    namespace: Namespace
    cluster: Annotated[Cluster, Field(description="Name of the cluster as Argo CD knows it.")]
    promotion: Annotated[
        Literal["auto", "pull-request", "automatic"],
        Field(
            description="auto: new builds are written here (first environment only). "
            "pull-request: versions are promoted from the previous environments, by review. "
            "automatic: the same, but `modelctl promote --automatic` opens the pull requests of "
            "new versions that the rules allow."
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
            le=MAX_SOAK_MINUTES,
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
    verification: Annotated[
        list[Check],
        Field(
            description="Checks that a version has to pass here before it is promoted further; "
            "see `modelctl verify-release`."
        ),
    ] = []
    overrides: Annotated[
        Overrides | None,
        Field(description="Rules that may be left out here in an emergency. Default: none."),
    ] = None
    windows: Annotated[
        list[Window],
        Field(
            description="Recurring windows, as Argo CD's sync windows. A `deny` window closes the "
            "environment; with `allow` windows it is open in these only."
        ),
    ] = []

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
        StringConstraints(pattern=f"^({REGISTRY})?$"),
        Field(
            alias="chartRegistry",
            description="Registry of released charts, `host/path`: environments after the first "
            "pull the chart version that their version file pins.",
        ),
    ] = ""
    health_reporter: Annotated[
        str,
        StringConstraints(pattern=LOGIN),
        AfterValidator(_not_any_workflow),
        Field(
            alias="healthReporter",
            description="GitHub account, `login` or `app[bot]`, whose token Argo CD's "
            "notifications use. Promotions then need its commit status that the version is healthy "
            "in each previous environment.",
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

    version: Annotated[str, StringConstraints(pattern=CHART_VERSION)]


class Version(_Strict):
    """The content of a version file: everything that a promotion copies.

    Only the first environment may omit `chart`: it renders the checkout's own chart.
    """

    image: ImageVersion
    model: ModelVersion
    chart: ChartVersion | None = None


@cache
def _version(content: bytes) -> Version:
    return yamlfile.validate_strict(Version, Path("version.yaml"), content)


def read_version(path: Path, content: bytes) -> Version:
    """The version in the content of a file, which is parsed once however often it is found.

    Raises ModelctlError that names `path`.
    """
    try:
        return _version(content)
    except ModelctlError:
        return yamlfile.validate_strict(Version, path, content)


@dataclass(frozen=True)
class Repository:
    """A checkout with `environments/`, its environments read and validated."""

    root: Path
    environments: tuple[Environment, ...]
    health_reporter: str = ""  # empty: no commit statuses are read

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The repository that contains `start` (default: the current folder)."""
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                plain_files.require(folder, folder / FILE)
                content = yamlfile.validate_strict(Environments, folder / FILE)
                return cls(folder, tuple(content.environments), content.health_reporter)
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


def _folders(path: Path) -> list[str]:
    """The folders in a folder, sorted; none if it is missing."""
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9.:-]+(?:/[a-z0-9._-]+)+):(?P<tag>[\w][\w.-]{0,127})"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


def parse_chart_version(version: str) -> ChartVersion:
    """Parse a chart version. Raises ModelctlError."""
    if not re.match(CHART_VERSION, version):
        raise ModelctlError(
            f"'{version}' is not a chart version",
            expected="MAJOR.MINOR.PATCH, such as 0.2.0, 0.2.0-rc.1 or 0.2.0+b5",
            fix="correct --chart-version, or `version` in charts/ml-model/Chart.yaml",
        )
    return ChartVersion(version=version)


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
