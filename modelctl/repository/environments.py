"""What runs where, as files: the order of environments and each model's three value files.

`environments/environments.yaml` names the environments in the order in which a version travels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from datetime import datetime
from modelctl.repository import yamlfile

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
# As CODEOWNERS wants them: @user, @organisation/team or an address.
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
    """The first hex digits of a digest: enough to tell digests apart by eye."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


class Freeze(_Strict):
    """A stop on changes from `start` up to `until` (both UTC), and why."""

    start: Annotated[AwareDatetime, Field(alias="from")]
    until: AwareDatetime
    reason: Text

    @model_validator(mode="after")
    def _forward(self) -> Freeze:
        if self.until <= self.start:
            raise ValueError("until is not after from")
        return self


class Environment(_Strict):
    """One place to run models: a namespace of a cluster and the way versions enter it."""

    name: DnsLabel
    namespace: DnsLabel
    cluster: Annotated[Text, Field(description="Name of the cluster as Argo CD knows it.")]
    promotion: Annotated[
        Literal["auto", "pull-request"],
        Field(
            description="auto: new builds enter here (the first environment only). "
            "pull-request: a version enters from the environment before, by review."
        ),
    ]
    soak_minutes: Annotated[
        int,
        Field(
            alias="soakMinutes",
            ge=0,
            description="How long a version has to run in the environment before this one "
            "until it may enter.",
        ),
    ] = 0
    approvals: Annotated[
        list[Owner],
        Field(
            description="Who has to approve a change of this environment: written into "
            ".github/CODEOWNERS by `make generate`."
        ),
    ] = []
    freezes: Annotated[
        dict[Literal["*"] | DnsLabel, Freeze],
        Field(description="Stops on changes, by model; `*` means all. See `modelctl freeze`."),
    ] = {}

    def active_freeze(self, model: str, now: datetime) -> Freeze | None:
        """The freeze that stops changes to a model at `now`, if there is one."""
        for scope in (ALL_MODELS, model):
            freeze = self.freezes.get(scope)
            if freeze is not None and freeze.start <= now < freeze.until:
                return freeze
        return None


class Environments(_Strict):
    """All environments, in the order in which a version travels."""

    environments: Annotated[list[Environment], Field(min_length=1)]
    chart_registry: Annotated[
        str,
        Field(
            alias="chartRegistry",
            description="Where released charts are, `host/path`: environments after the first "
            "take the chart that their version file pins from there.",
        ),
    ] = ""

    @model_validator(mode="after")
    def _distinct(self) -> Environments:
        names = [environment.name for environment in self.environments]
        places = [f"{e.cluster}/{e.namespace}" for e in self.environments]
        for what, values in (("name", names), ("namespace of a cluster", places)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} used twice: {', '.join(twice)}")
        direct = [e.name for e in self.environments if e.promotion == "auto"]
        if direct != names[:1]:
            raise ValueError(
                f"promotion: auto belongs to the first environment only, so that none is skipped; "
                f"found {', '.join(direct) or 'none'}"
            )
        return self


class ImageVersion(_Strict):
    """The image that serves: pulled by digest; the tag is for people."""

    repository: Text
    tag: Text
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


class ModelVersion(_Strict):
    """The bundle that the pod must hold."""

    version: Text
    digest: Digest


class ChartVersion(_Strict):
    """The chart that renders the release, where it is not the folder of the checkout."""

    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")]


class Version(_Strict):
    """The content of a version file: all that a promotion moves.

    Only the first environment does without `chart`: it renders the folder.
    """

    image: ImageVersion
    model: ModelVersion
    chart: ChartVersion | None = None


@dataclass(frozen=True)
class Repository:
    """The checkout that holds `environments/`, with its environments read and checked."""

    root: Path
    environments: tuple[Environment, ...]

    def after(self, environment: Environment) -> tuple[Environment, ...]:
        """The environments that a version reaches through this one."""
        return self.environments[self.environments.index(environment) + 1 :]

    @classmethod
    def find(cls, start: Path | None = None) -> Repository:
        """The repository around `start` (default: the current folder)."""
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                content = yamlfile.validate(Environments, folder / FILE)
                return cls(folder, tuple(content.environments))
        raise ModelctlError(
            f"no {FILE} in {start} or above it",
            fix="run this inside a checkout of your models' repository",
        )

    def environment(self, name: str) -> Environment:
        """The environment of that name; an unknown one is an error that lists the known."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        known = ", ".join(environment.name for environment in self.environments)
        raise ModelctlError(f"unknown environment '{name}'", expected=f"one of {known}")

    def before(self, environment: Environment) -> Environment | None:
        """The environment that a version comes from; None for the first."""
        index = self.environments.index(environment)
        return self.environments[index - 1] if index else None

    def folder(self, environment: Environment, model: str) -> Path:
        """Where the model's value files of that environment live."""
        return self.root / "environments" / environment.name / model

    def version_file(self, environment: Environment, model: str) -> Path:
        """The file that a promotion copies."""
        return self.folder(environment, model) / "version.yaml"

    def version(self, environment: Environment, model: str) -> Version | None:
        """What git says should serve; None when the model is not released there yet."""
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
        """Refuse a model that has no settings in that environment (a typo, most likely)."""
        if not (self.folder(environment, model) / "settings.yaml").is_file():
            raise ModelctlError(
                f"model '{model}' is not set up in environment '{environment.name}'",
                expected=f"one of {', '.join(self.models()) or '(none)'}",
                fix=f"create {self.folder(environment, model).relative_to(self.root)}/"
                "{settings,capacity}.yaml",
            )


_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9.:-]+(?:/[a-z0-9._-]+)+):(?P<tag>[\w][\w.-]{0,127})"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


def parse_image(reference: str) -> ImageVersion:
    """`repository:tag@sha256:...` as its parts; anything less exact is refused."""
    match = _IMAGE.fullmatch(reference)
    if match is None:
        raise ModelctlError(
            f"image '{reference}' is not pinned",
            expected="REPOSITORY:TAG@sha256:<64 hex digits>",
            fix="take the digest that the registry returned when the image was pushed",
        )
    return ImageVersion(**match.groupdict())
