"""What `environments/environments.yaml` may say: the environments in promotion order."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from modelctl.repository import graph
from modelctl.repository.replay_limits import Limits
from modelctl.repository.strict_model import STRICT, Text
from modelctl.repository.windows import Window

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$")]
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
# As contexts are called, from `in-cluster` to `arn:aws:eks:eu-west-1:1234:cluster/ml`.
Cluster = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9@:/._-]{0,252}$")]
# As in CODEOWNERS: @user, @organisation/team or an email address.
Owner = Annotated[
    str, StringConstraints(pattern=r"^(@[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?|[^@\s]+@[^@\s]+)$")
]

# Where `modelctl train --out` publishes; no credentials, which are for the environment alone.
Store = Annotated[
    str, StringConstraints(pattern=r"^(s3|gs|az)://[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$")
]

CHART = "charts/ml-model"
FILE = Path("environments/environments.yaml")
ALL_MODELS = "*"

# A freeze is not among them: Argo CD would not apply the version, so it has to be ended in git.
OverridableRule = Literal["order", "soak", "health", "abort", "verification", "replay", "window"]
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
    model_config = STRICT


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
            "automatic: the same, but `modelctl auto-promote` opens the pull requests of "
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
    replay: Annotated[
        dict[Literal["*"] | DnsLabel, Limits],
        Field(
            description="Limits by model (`*`: all others) within which captured requests have to "
            "be answered alike before a version enters; see `modelctl replay --record`."
        ),
    ] = {}
    trainings: Annotated[
        dict[DnsLabel, Store],
        Field(
            description="URL by model where `modelctl train --out` publishes bundles; the newest "
            "one is proposed by a scheduled workflow. First environment only."
        ),
    ] = {}
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

    def replay_limits(self, model: str) -> Limits | None:
        """Within which limits versions of a model are replayed before they enter, if at all."""
        return self.replay.get(model) or self.replay.get(ALL_MODELS)

    @model_validator(mode="after")
    def _takes_builds(self) -> Environment:
        if self.trainings and self.promotion != "auto":
            raise ValueError(
                f"`trainings` of '{self.name}', which versions are promoted to: expected it in the "
                "environment that takes new builds"
            )
        return self

    @model_validator(mode="after")
    def _promoted_to(self) -> Environment:
        if self.replay and self.promotion == "auto":
            raise ValueError(
                f"`replay` of '{self.name}', which takes new builds: expected it in an environment "
                "that versions are promoted to"
            )
        return self


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
