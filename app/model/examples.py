"""One row of a contract, for documentation and error bodies.

Made from what everyone may know of the contract: a row of the sample would publish training data.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app.model.converters import EPOCH

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.feature import Feature

# Values of features for which the contract says nothing more.
PLACEHOLDERS: dict[str, Any] = {
    "float": 0.0,
    "integer": 0,
    "boolean": True,
    "string": "text",
    "datetime": "2026-01-31T12:00:00Z",
}
# Shown instead of a midpoint's last digits, which only say how floats are added.
SIGNIFICANT_DIGITS = 6


def example_row(contract: Contract) -> list[Any]:
    """One value per feature, in the contract's order, that validation accepts.

    The one exception is a value of a closed list that is sensitive: no valid one may be shown.
    """
    return [_example(feature) for feature in contract.inputs]


def without_example(contract: Contract) -> list[str]:
    """The features of which no valid value may be shown: closed lists that are sensitive."""
    return [
        feature.name
        for feature in contract.inputs
        if feature.closed
        and feature.sensitive
        and feature.example is None
        and feature.missing == "refuse"
    ]


def _example(feature: Feature) -> Any:
    """The user's own example, else the first of a closed list or the middle of the range."""
    if feature.example is not None:
        return feature.example
    if feature.listed:
        return feature.listed[0]
    if feature.closed and feature.missing == "allow":
        return None
    low, high = _bounds(feature)
    if low is None or high is None:
        return PLACEHOLDERS[feature.dtype]
    # Halved first: the sum of two large values is infinite.
    middle = low / 2 + high / 2
    if feature.dtype == "datetime":
        moment = EPOCH + timedelta(microseconds=middle // 1)
        return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    if feature.dtype == "integer":
        return int(middle // 1) if middle // 1 >= low else int(-(-middle // 1))
    rounded = float(f"{middle:.{SIGNIFICANT_DIGITS}g}")
    return rounded if low <= rounded <= high else middle


def _bounds(feature: Feature) -> tuple[float | None, float | None]:
    """The range in training unless it is sensitive, within the one that is enforced."""
    if feature.dtype not in ("float", "integer", "datetime"):
        return None, None
    is_shown = not feature.sensitive and feature.min is not None and feature.max is not None
    low, high = (feature.min, feature.max) if is_shown else (None, None)
    if feature.range is None:
        return low, high
    bottom, top = feature.range
    # What has one bound only is shown at it.
    bottom, top = (top if bottom is None else bottom), (bottom if top is None else top)
    if low is None or high is None or bottom is None or top is None:
        return bottom, top
    return min(max(low, bottom), top), max(min(high, top), bottom)
