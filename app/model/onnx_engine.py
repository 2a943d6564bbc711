"""The onnx engine, and the only place in `app` that imports onnxruntime.

Signature of the ONNX files (written by `modelctl package`): one input `rows`, float64 [n, f],
encoded by `contract`. Outputs, by what the contract says the model has:
- `label`: int64 [n], index into the contract's classes; [n, targets] for several;
- `value`: float64 [n] of a regressor; [n, targets] for several;
- `vector`: float64 [n, width] of a transformer;
- `probability`: float64 [n, classes], those of several targets one after the other;
- `score`: float64 [n] or [n, width].
"""

from __future__ import annotations

import os
from math import isfinite

# onnxruntime starts a telemetry thread on import unless this is set.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from app.errors import BundleRefusedError
from app.model.prediction import (
    Prediction,
    by_target,
    labels_of,
    not_finite_error,
    row_count_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.model.contract import Contract, Output
    from app.model.validation import Batch

total = np.add.reduce
# MatMulScaleFusion folds a scale factor into the matrix product as float32 and thereby loses
# precision of a double.
INEXACT_OPTIMIZERS = ["MatMulScaleFusion"]


class OnnxEngine:
    """Run one ONNX model on one thread; a worker process is the unit of parallelism."""

    name = "onnx"

    def __init__(self, model: bytes, contract: Contract) -> None:
        """Raises BundleRefusedError when onnxruntime cannot load the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=INEXACT_OPTIMIZERS,
            )
        except Exception as error:  # onnxruntime has no common error class
            raise BundleRefusedError(
                "onnxruntime cannot load model.onnx",
                expected=f"a model that onnxruntime {onnxruntime.__version__} supports",
                found=str(error)[:300],
                fix="use the image version it was packaged for, or package the model again",
            ) from error
        output = contract.output
        self._output = output
        self._outputs = output_names(output)
        self._values = _values(output)
        self._has_labels_only = self._outputs == ["label"]
        # Bound once: this is all that a prediction of a microsecond model consists of.
        self._run = self._session.run

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows; raises as an `Engine`."""
        matrix = batch.matrix
        results = self._run(self._outputs, {"rows": matrix})
        # One reduction instead of a check per number: NaN and Infinity propagate through a sum.
        if not isfinite(total(results[-1], axis=None)):
            raise not_finite_error()
        if self._has_labels_only and results[0].min(initial=0) < 0:
            # The label of rows that scikit-learn refuses, where there is no number to be NaN.
            raise not_finite_error()
        values = self._values(results[0])
        rows = len(matrix)
        if len(values) != rows or len(results[-1]) != rows:
            raise row_count_error("model.onnx", len(values), rows)
        if len(results) == 1:
            return Prediction(values, None)
        if self._output.scores is None:
            return Prediction(values, results[1])
        return Prediction(values, None, results[1])


def output_names(output: Output) -> list[str]:
    """The outputs of the ONNX file that a model with this output has, the answer first."""
    answer = {"regressor": "value", "transformer": "vector"}.get(output.kind, "label")
    probability = ["probability"] if output.probabilities else []
    return [answer, *probability, *(["score"] if output.scores else [])]


def _values(output: Output) -> Callable[[NDArray[Any]], list[Any]]:
    """The function that turns the first result into one value per row."""
    if not output.targets:
        classes = output.classes
        if classes is None:
            return lambda result: result.tolist()
        return lambda result: [classes[index] for index in result.tolist()]
    if output.is_numeric:
        return lambda result: by_target(output, result.T.tolist())

    def labelled(result: NDArray[Any]) -> list[Any]:
        columns = [
            labels_of(target.classes or (), indexes)
            for target, indexes in zip(output.targets, result.T.tolist(), strict=True)
        ]
        return by_target(output, columns)

    return labelled
