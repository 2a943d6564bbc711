"""The user's own word on the inputs: `inputs:`, `extra:` and `constant:` of model.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from app.model.feature import Dtype, Rule, Unseen  # noqa: TC001 - pydantic looks them up
from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ConfigDict

KEYS = ("inputs", "extra", "constant")
# The keys that others read: `training_output`, `sources` and `explanations`.
OTHER_KEYS = ("name", "version", "description", "target", "source", "explain")


@dataclass(frozen=True)
class Range:
    """Bounds that requests have to keep."""

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid", "allow_inf_nan": False}

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("expected min <= max")


@dataclass(frozen=True)
class InputRule:
    """One feature; what is not given is read from the fitted steps, then from the sample."""

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    dtype: Dtype | None = None
    missing: Rule | None = None
    unseen: Unseen | None = None
    range: Range | None = None
    description: str = ""
    example: str | float | int | bool | None = None
    sensitive: bool = False


@dataclass(frozen=True)
class InputRules:
    """All of it. The order of `inputs`, if it names every feature, is that of positional rows."""

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    inputs: dict[str, InputRule] = field(default_factory=dict)
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
    if not given:
        return InputRules()
    # Here, because most models have no rules, and its import takes longer than reading the sample.
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(InputRules).validate_python(given)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ModelctlError(
            "model.yaml has invalid input rules",
            expected="inputs: {<feature>: {dtype, missing: allow|refuse, unseen: pass|refuse, "
            "range: {min, max}, description, example, sensitive}}, extra: refuse|ignore",
            found="; ".join(faults[:10]),
            fix="see docs/reference/model-yaml.md",
        ) from error
