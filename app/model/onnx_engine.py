"""The onnx engine, and the only place in `app` that imports onnxruntime.

Signature of the ONNX files (written by `modelctl package`): one input `rows`, float64 [n, f],
encoded by `contract`; a classifier outputs `label` (int64, index into the contract's classes) and,
if it has them, `probability` (float64 [n, classes]); a regressor outputs `value` (float64 [n]).
"""

from __future__ import annotations

import math
import os

# onnxruntime starts a telemetry thread on import unless this is set.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from app.errors import BundleRefusedError
from app.model.prediction import Prediction, not_finite_error

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.validation import Batch

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
        self._classes = contract.output.classes
        if contract.output.kind == "regressor":
            self._outputs = ["value"]
        else:
            self._outputs = ["label", "probability"][: 1 + contract.output.probabilities]

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows. Raises RequestError 422 if a prediction is not finite."""
        results = self._session.run(self._outputs, {"rows": batch.matrix})
        # One reduction instead of a check per number: NaN and Infinity propagate through a sum.
        if not math.isfinite(np.add.reduce(results[-1], axis=None)):
            raise not_finite_error()
        if self._classes is None:
            return Prediction(results[0].tolist(), None)
        classes = self._classes
        if len(results) == 1 and results[0].min(initial=0) < 0:
            # The label of rows that scikit-learn refuses, where there is no number to be NaN.
            raise not_finite_error()
        labels = [classes[index] for index in results[0].tolist()]
        return Prediction(labels, results[1] if len(results) > 1 else None)
