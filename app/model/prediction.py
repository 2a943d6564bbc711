"""The interface of an engine and its result, shared by engines and protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app.errors import AppError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.model.contract import Label, Output
    from app.model.validation import Batch


class ModelOutputError(AppError):
    """The model broke its contract, such as one answer for many rows: a 500, never an answer."""


class RowCountError(ModelOutputError):
    """The model answered another number of rows than it was asked for."""


@dataclass(slots=True)
class Prediction:
    """What a model answers for some rows.

    `values` has one entry per row: a label or a number, {target: label or number} for several
    targets, a list of numbers for a transformer. `probabilities` is [n, classes], the classes of
    several targets one after the other; `scores` is [n] or [n, width]; both where the model has
    them. `explanations` are documents, one per row, where the client has asked for them.
    """

    values: list[Any]
    probabilities: NDArray[np.float64] | None
    scores: NDArray[np.float64] | None = None
    explanations: list[dict[str, Any]] | None = None


class Engine(Protocol):
    """Computes predictions; `name` is `onnx` or `sklearn`."""

    name: str

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows.

        Raises RequestError 422 if a prediction is not finite, ModelOutputError if there is not
        exactly one for each row.
        """
        ...


def not_finite_error() -> RequestError:
    """422: the model predicted NaN or Infinity."""
    return RequestError(
        422,
        "no-finite-answer",
        "Prediction is not finite",
        "expected a finite prediction, found NaN or Infinity; check the magnitudes of the inputs",
    )


def row_count_error(what: str, found: int, rows: int) -> RowCountError:
    """The error that names both numbers of rows."""
    return RowCountError(f"{what} answered {found} rows for a request of {rows}: not sent")


def by_target(output: Output, columns: list[list[Any]]) -> list[Any]:
    """Rows of several targets, {target: value}, from the values of each target."""
    names = [target.name for target in output.targets]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def labels_of(classes: tuple[Label, ...], indexes: list[int]) -> list[Label]:
    """Labels by their position among the classes."""
    return [classes[index] for index in indexes]
