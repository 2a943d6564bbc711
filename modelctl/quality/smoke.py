"""Ask a running service the rows that its bundle carries, and compare with what packaging recorded.

Knows a URL and a bundle; where the service runs is none of its business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from app.model.engine import SAMPLE

if TYPE_CHECKING:
    from app.model.bundle import Bundle
    from modelctl.service.client import Client

# Engines of other machines may differ in the last digits.
TOLERANCE = 1e-6
SHOWN_ROWS = 3


def problems(client: Client, bundle: Bundle) -> list[str]:
    """What differs: the digest, or every prediction. Raises ModelctlError when nobody answers."""
    served = client.get("/model/info")["digest"]
    if served != bundle.digest:
        # Its predictions would only say the same less clearly.
        return [f"it serves {served}, and not {bundle.digest}"]
    sample = rows_of(bundle)
    wrong = []
    for number, (row, recorded) in enumerate(zip(*sample, strict=True)):
        found = client.post("/predict", {"features": row})["prediction"]
        if not same(recorded, found):
            wrong.append(f"row {number} is {found!r}, packaging recorded {recorded!r}")
    rest = len(wrong) - SHOWN_ROWS
    return wrong[:SHOWN_ROWS] + ([f"and {rest} rows more"] if rest > 0 else [])


def rows_of(bundle: Bundle) -> tuple[list[Any], list[Any]]:
    """The rows in a bundle, and their predictions."""
    sample = orjson.loads(bundle.read(SAMPLE))
    return sample["rows"], sample["predictions"]


def same(recorded: Any, found: Any) -> bool:
    """Whether two predictions are equal; numbers up to what engines may differ by."""
    if isinstance(recorded, float) and isinstance(found, int | float):
        return abs(recorded - found) <= TOLERANCE * max(1.0, abs(recorded))
    return bool(recorded == found)
