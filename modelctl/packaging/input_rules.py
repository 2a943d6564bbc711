"""The user's own word on the inputs: `inputs:`, `extra:` and `constant:` of model.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.model.feature import Dtype, Rule, Unseen
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = ("inputs", "extra", "constant")
# The keys that others read: `training_output`, `sources` and `explanations`.
OTHER_KEYS = ("name", "version", "description", "target", "source", "explain")


class Range(BaseModel):
    """Bounds that requests have to keep."""

    model_config = ConfigDict(extra="forbid")

    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("expected min <= max")
        return self


class InputRule(BaseModel):
    """One feature; what is not given is read from the fitted steps, then from the sample."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Dtype | None = None
    missing: Rule | None = None
    unseen: Unseen | None = None
    range: Range | None = None
    description: str = ""
    example: str | float | int | bool | None = None
    sensitive: bool = False


class InputRules(BaseModel):
    """All of it. The order of `inputs`, if it names every feature, is that of positional rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: dict[str, InputRule] = {}
    extra: Literal["refuse", "ignore"] = "refuse"
    constant: Literal["refuse", "allow"] = "refuse"


def read_rules(config: Mapping[str, Any]) -> InputRules:
    """The rules in a model.yaml that was read. Raises ModelctlError with every fault."""
    unknown = [str(key) for key in config if key not in (*KEYS, *OTHER_KEYS)]
    if unknown:
        raise ModelctlError(
            f"model.yaml has unknown keys: {', '.join(unknown)}",
            expected=", ".join((*OTHER_KEYS, *KEYS)),
            fix="correct or remove them: a rule under a wrong name would not be kept",
        )
    given = {key: config[key] for key in KEYS if config.get(key) is not None}
    inputs = given.get("inputs")
    if isinstance(inputs, dict):
        # A feature may be named by a number, or have no rule yet.
        given["inputs"] = {str(name): rule or {} for name, rule in inputs.items()}
    try:
        return InputRules.model_validate(given)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ModelctlError(
            "model.yaml has invalid input rules",
            expected="inputs: {<feature>: {dtype, missing: allow|refuse, unseen: pass|refuse, "
            "range: {min, max}, description, example, sensitive}}, extra: refuse|ignore",
            found="; ".join(faults[:10]),
            fix="see docs/reference/model-yaml.md",
        ) from error
