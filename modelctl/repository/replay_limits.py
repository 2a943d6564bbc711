"""What a replay may change, and how much it did: `replay` in environments.yaml, and its record."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from modelctl.repository.strict_model import STRICT

# A count that a record may have: JSON has integers of any length, floats overflow.
MAX_ROWS = 10**12

Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# A limit, None for none, and what was found.
Bound = tuple[float | None, float]
Count = Annotated[int, Field(ge=0, le=MAX_ROWS)]


class Limits(BaseModel):
    """How far a version may differ from the release on captured requests."""

    model_config = STRICT

    max_changed: Annotated[
        Share | None,
        Field(alias="maxChanged", description="Largest share of answers that change, 0 to 1."),
    ] = None
    max_psi: Annotated[
        Size | None,
        Field(
            alias="maxPsi",
            description="Largest population stability index of the predictions.",
        ),
    ] = None
    max_refused: Annotated[
        Share,
        Field(
            alias="maxRefused",
            description="Largest share of rows that the version refuses, 0 to 1.",
        ),
    ] = 0.0
    max_left_out: Annotated[
        Share,
        Field(
            alias="maxLeftOut",
            description="Largest share of the release's rows that lack a feature of the version, "
            "or their prediction, 0 to 1.",
        ),
    ] = 0.0
    min_rows: Annotated[
        int,
        Field(
            alias="minRows",
            ge=1,
            le=MAX_ROWS,
            description="Least number of rows that both versions answered.",
        ),
    ] = 500
    tolerance: Annotated[
        Size,
        Field(
            description="Difference up to which two numbers are the same answer, relative above 1."
        ),
    ] = 1e-6

    @model_validator(mode="after")
    def _limits_something(self) -> Limits:
        if self.max_changed is None and self.max_psi is None:
            raise ValueError("expected `maxChanged` or `maxPsi`, found neither")
        return self


class Replayed(BaseModel):
    """The record of a replay: captured requests that `baseline` answered, asked of `candidate`.

    Both are digests of bundles. Of `rows` the candidate refused `refused`; of the others `changed`
    have another answer. `left_out` more could not be asked. `release` is `environment/model`.
    """

    model_config = STRICT

    release: str
    baseline: str
    candidate: str
    rows: Count
    refused: Count
    changed: Count
    left_out: Count = 0
    psi: Size
    tolerance: Size

    @model_validator(mode="after")
    def _adds_up(self) -> Replayed:
        if self.refused + self.changed > self.rows:
            raise ValueError("more rows were refused and changed than there are")
        return self

    @property
    def answered(self) -> int:
        """Rows that both versions answered."""
        return self.rows - self.refused

    @property
    def summary(self) -> str:
        """The figures in a few words."""
        share = self.changed / max(1, self.answered)
        return (
            f"{self.changed:,} of {self.answered:,} answers changed ({share:.2%}), "
            f"PSI {self.psi:.3f}"
        )


def violations(limits: Limits, found: Replayed) -> list[str]:
    """What exceeds its limit."""
    exceeded = over(
        changed=(limits.max_changed, found.changed / max(1, found.answered)),
        psi=(limits.max_psi, found.psi),
        refused=(limits.max_refused, found.refused / max(1, found.rows)),
        left_out=(limits.max_left_out, found.left_out / max(1, found.rows + found.left_out)),
        tolerance=(limits.tolerance, found.tolerance),
    )
    return exceeded + too_few(found.answered, limits.min_rows)


def over(
    *, changed: Bound, psi: Bound, refused: Bound, left_out: Bound, tolerance: Bound = (None, 0.0)
) -> list[str]:
    """What exceeds its limit, of ratios, an index and a difference."""
    most = (
        ("changed answers", changed, ".2%"),
        ("PSI of the predictions", psi, ".3f"),
        ("rows that the candidate refuses", refused, ".2%"),
        ("rows that are left out", left_out, ".2%"),
        ("tolerance", tolerance, "g"),
    )
    return [
        f"{what}: expected at most {limit:{form}}, found {value:{form}}"
        for what, (limit, value), form in most
        if limit is not None and value > limit
    ]


def too_few(answered: int, least: int) -> list[str]:
    """That fewer rows were answered than needed, if so."""
    if answered >= least:
        return []
    return [f"answered rows: expected at least {least:,}, found {answered:,}"]
