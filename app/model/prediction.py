"""The interface of an engine and its result, shared by engines and protocols."""

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
    """Computes predictions; `name` is `onnx` or `sklearn`."""

    name: str

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows. Raises RequestError 422 if a prediction is not finite."""
        ...


def not_finite_error() -> RequestError:
    """422: the model predicted NaN or Infinity."""
    return RequestError(
        422,
        "no-finite-answer",
        "Prediction is not finite",
        "expected a finite prediction, found NaN or Infinity; check the magnitudes of the inputs",
    )
