"""What `environments/<environment>/<model>/experiment.yaml` may say: an A/B test, fixed beforehand.

It changes nothing that runs: the shares of the variants do. It is in git before the first unit is
counted, so that a reviewer sees which question is asked, and that nobody changes it for the answer.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from modelctl.errors import ModelctlError
from modelctl.repository import edits, yamlfile
from modelctl.repository.checkout import EXPERIMENT_FILE
from modelctl.repository.environments import DnsLabel, Owner, Time
from modelctl.repository.strict_model import STRICT, Text

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

PRIMARY = "primary"
UNIT, ARM = "unit", "arm"
# How several rows of one unit become one value, by kind of metric.
AGGREGATES = {"proportion": ("any", "all"), "mean": ("mean", "sum")}

Column = Annotated[str, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
# Squares and quotients of such numbers, and of their squares, are still finite.
LARGEST = 1e50
Positive = Annotated[float, Field(ge=1 / LARGEST, le=LARGEST, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=0, le=100)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
State = Literal["planned", "running", "ended"]


class _Strict(BaseModel):
    model_config = STRICT


class Measured(_Strict):
    """A column of the outcomes, and what is known of it beforehand."""

    name: Annotated[Column, Field(description="Column of the outcomes.")]
    kind: Annotated[
        Literal["proportion", "mean"],
        Field(description="proportion: 0 or 1 for each unit. mean: any number."),
    ]
    direction: Annotated[
        Literal["increase", "decrease"], Field(description="Which change is the better one.")
    ]
    aggregate: Annotated[
        Literal["any", "all", "mean", "sum"] | None,
        Field(
            description="How several rows of a unit become one value: any or all of a proportion, "
            "mean or sum of a mean. Default: a unit with several rows is refused."
        ),
    ] = None
    baseline: Annotated[
        Number | None,
        Field(description="Expected value in the primary arm, to plan a proportion."),
    ] = None
    standard_deviation: Annotated[
        Positive | None,
        Field(
            alias="standardDeviation",
            description="Expected standard deviation between units, to plan a mean.",
        ),
    ] = None
    pre_period: Annotated[
        Column | None,
        Field(
            alias="prePeriod",
            description="Column with the unit's value before the experiment, to reduce variance "
            "(CUPED).",
        ),
    ] = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Measured:
        if self.aggregate and self.aggregate not in AGGREGATES[self.kind]:
            expected = " or ".join(AGGREGATES[self.kind])
            raise ValueError(f"expected aggregate {expected} of a {self.kind}")
        if self.kind == "proportion" and not 0 <= (self.baseline or 0) <= 1:
            raise ValueError("expected a baseline from 0 to 1 of a proportion")
        return self


class Metric(Measured):
    """A primary metric: the experiment is about it."""

    @property
    def scale(self) -> float:
        """The size of a difference that matters."""
        return self.minimum_effect

    minimum_effect: Annotated[
        Positive,
        Field(
            alias="minimumEffect",
            description="Smallest difference between the arms that matters, in the metric's unit "
            "(0.01 is one percentage point). The sample size is planned for it, and the "
            "sequential intervals are tightest about it.",
        ),
    ]


class Guardrail(Measured):
    """A metric that may not get worse by more than a margin."""

    @property
    def scale(self) -> float:
        """The size of a difference that matters."""
        return self.margin

    margin: Annotated[
        Positive,
        Field(description="Largest loss that is acceptable, in the metric's unit."),
    ]


Measure = Metric | Guardrail


class Unit(_Strict):
    """What is assigned to an arm: the value of one header or one cookie."""

    header: HeaderName | None = None
    cookie: HeaderName | None = None

    @model_validator(mode="after")
    def _one(self) -> Unit:
        if (self.header is None) == (self.cookie is None):
            raise ValueError("expected either `header` or `cookie`")
        return self

    def __str__(self) -> str:
        return f"header {self.header}" if self.header else f"cookie {self.cookie}"


class Experiment(_Strict):
    """An A/B test of one model in one environment."""

    hypothesis: Annotated[Text, Field(description="What is expected to happen, and why.")]
    owner: Annotated[Owner, Field(description="Who decides about it.")]
    unit: Annotated[Unit, Field(description="Header or cookie that the gateway hashes.")]
    arms: Annotated[
        dict[DnsLabel, Percent],
        Field(
            min_length=2,
            description="Percentage of the units in each arm: `primary`, the control, and one or "
            "two variants.",
        ),
    ]
    start: Annotated[Time, Field(description="First moment that counts, in UTC.")]
    end: Annotated[
        Time, Field(description="Planned end, in UTC. Before it, intervals are sequential.")
    ]
    stopped: Annotated[
        Time | None,
        Field(
            description="When it was stopped before its end, in UTC; `modelctl experiment stop`, "
            "`variant promote`, `variant remove` and `retire` write it. `end` stays as it was "
            "planned."
        ),
    ] = None
    planned_units: Annotated[
        int,
        Field(
            alias="plannedUnits",
            gt=0,
            description="Planned number of units in all arms together; see `modelctl experiment "
            "plan`.",
        ),
    ]
    metrics: Annotated[list[Metric], Field(min_length=1, description="Primary metrics.")]
    guardrails: Annotated[
        list[Guardrail], Field(description="Metrics that may not get worse by their margin.")
    ] = []
    alpha: Annotated[
        float,
        Field(gt=0, lt=0.5, description="Probability of a false alarm over all primary metrics."),
    ] = 0.05
    power: Annotated[
        float,
        Field(gt=0.5, lt=1, description="Probability to detect the minimum effect."),
    ] = 0.8

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        if self.end <= self.start:
            raise ValueError("`end` must be later than `start`")
        if PRIMARY not in self.arms:
            raise ValueError(f"`arms` lacks {PRIMARY}, the control")
        if len(self.arms) > 3:
            raise ValueError("expected at most two variants beside the primary")
        if sum(self.arms.values()) != 100 or not all(self.arms.values()):
            raise ValueError("expected arms with shares above 0 that add up to 100")
        measured = [*self.metrics, *self.guardrails]
        names = [each.name for each in measured]
        columns = [*names, UNIT, ARM, *(each.pre_period for each in measured if each.pre_period)]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise ValueError(f"columns with two meanings: {', '.join(twice)}")
        return self

    @property
    def measures(self) -> list[Measure]:
        """Primary metrics, then guardrails."""
        return [*self.metrics, *self.guardrails]

    @property
    def variants(self) -> dict[str, int]:
        """The shares of the variants."""
        return {name: share for name, share in self.arms.items() if name != PRIMARY}

    def state(self, now: datetime) -> State:
        """Whether it is before, in or after its planned time; one that was stopped has ended."""
        if self.stopped and self.stopped <= now:
            return "ended"
        if now < self.start:
            return "planned"
        return "running" if now < self.end else "ended"


def path(repository: Repository, environment: Environment, model: str) -> Path:
    """Where the experiment of a model in an environment is."""
    return repository.value_file(environment, model, EXPERIMENT_FILE)


def read(repository: Repository, environment: Environment, model: str) -> Experiment | None:
    """The experiment; None without one. Raises ModelctlError."""
    file = path(repository, environment, model)
    return yamlfile.validate_strict(Experiment, file) if file.is_file() else None


def asked(text: str) -> str:
    """The text of a file without when it was stopped, which changes nothing of what it asks."""
    return re.sub(r"(?m)^stopped:.*\n?", "", text).rstrip()


def plan_stop(
    repository: Repository, environment: Environment, model: str, now: datetime, arm: str = ""
) -> list[edits.Edit]:
    """Plan to stop an experiment that has not ended, because an arm goes; any without `arm`.

    Raises ModelctlError.
    """
    experiment = read(repository, environment, model)
    if experiment is None or experiment.state(now) == "ended":
        return []
    if arm and arm not in experiment.variants:
        return []
    file = path(repository, environment, model)
    moment = now.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    content = yamlfile.read(file)
    return [edits.set_content(file, {**content, "stopped": moment})]


def require(repository: Repository, environment: Environment, model: str) -> Experiment:
    """The experiment. Raises ModelctlError without one."""
    repository.require_model(environment, model)
    experiment = read(repository, environment, model)
    if experiment is None:
        file = path(repository, environment, model).relative_to(repository.root)
        raise ModelctlError(
            f"no experiment with '{model}' in '{environment.name}'",
            expected=str(file),
            fix="write it first: docs/how-to/experiment.md has one to copy",
        )
    return experiment
