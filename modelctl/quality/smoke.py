"""Compare a service's predictions of its bundle's sample with the recorded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.model.engine import SAMPLE

if TYPE_CHECKING:
    from app.model.bundle import Bundle
    from modelctl.service.client import Client

# Engines on other hardware may differ in the last digits.
TOLERANCE = 1e-6
SHOWN_ROWS = 3


def mismatches(client: Client, bundle: Bundle) -> list[str]:
    """The differing digest, or each differing prediction. Raises ModelctlError on no response."""
    served = client.get("/model/info")["digest"]
    if served != bundle.digest:
        # Comparing the predictions of another bundle would add nothing.
        return [f"expected bundle {bundle.digest}, found {served}"]
    differing = []
    for number, (row, recorded) in enumerate(zip(*sample_rows(bundle), strict=True)):
        served = client.post("/predict", {"features": row})["prediction"]
        if not is_same(recorded, served):
            differing.append(f"row {number}: expected {recorded!r}, found {served!r}")
    rest = len(differing) - SHOWN_ROWS
    return differing[:SHOWN_ROWS] + ([f"and {rest} more rows"] if rest > 0 else [])


def sample_rows(bundle: Bundle) -> tuple[list[Any], list[Any]]:
    """The sample rows in a bundle, and their recorded predictions."""
    sample = orjson.loads(bundle.read(SAMPLE))
    return sample["rows"], sample["predictions"]


def is_same(recorded: Any, served: Any) -> bool:
    """Whether two predictions are equal; numbers within the tolerance of engines."""
    if isinstance(recorded, dict) and isinstance(served, dict):
        return recorded.keys() == served.keys() and all(
            is_same(value, served[key]) for key, value in recorded.items()
        )
    if isinstance(recorded, list) and isinstance(served, list):
        return len(recorded) == len(served) and all(map(is_same, recorded, served))
    if isinstance(recorded, float) and isinstance(served, int | float):
        return abs(recorded - served) <= TOLERANCE * max(1.0, abs(recorded))
    return bool(recorded == served)
