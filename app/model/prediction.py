"""What an engine is and what it answers with: the words that engines and protocols share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.model.contract import Label
    from app.model.validation import Batch


@dataclass(frozen=True)
class Prediction:
    """One label or number per row, and class probabilities where the model has them."""

    values: list[Label]
    probabilities: NDArray[np.float64] | None


class Engine(Protocol):
    """What computes predictions; `name` is `onnx` or `sklearn`."""

    name: str

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows. Raises RequestError 422 when the model has no finite answer."""
        ...


def no_finite_answer() -> RequestError:
    """The error for rows that a model cannot turn into a finite number."""
    return RequestError(
        422,
        "no-finite-answer",
        "The model has no finite answer for these rows",
        "a prediction came out as NaN or Infinity; check the magnitudes of the inputs",
    )
