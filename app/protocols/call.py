"""A parsed request of any protocol: rows to predict, and a function to write the reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.prediction import Prediction
    from app.model.validation import Batch
    from app.responses import Reply


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request. `write` takes the prediction and the request id."""

    batch: Batch
    write: Callable[[Prediction, str], Reply]
