"""The onnx engine, and the only place in `app` that imports onnxruntime.

Convention of our ONNX files (written by `modelctl package`): one input `rows`, float64 [n, f],
encoded as `contract` says; a classifier gives `label` (int64, position in the contract's classes)
and, if it has them, `probability` (float64 [n, classes]); a regressor gives `value` (float64 [n]).
"""

from __future__ import annotations

import math
import os

# onnxruntime starts a thread and uploads telemetry as soon as it is imported, unless told not to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from app.errors import BundleRefusedError
from app.model.prediction import Prediction, no_finite_answer

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.validation import Batch

# Moves a factor into the product before or after it, where it is kept as a 32-bit float: eight
# digits of the double are lost.
INEXACT_OPTIMIZERS = ["MatMulScaleFusion"]


class OnnxEngine:
    """Runs one ONNX model on one thread; a worker process is the unit of parallelism."""

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
                expected=f"a model that onnxruntime {onnxruntime.__version__} knows",
                found=str(error)[:300],
                fix="use the image version the bundle was packaged for, or package it again",
            ) from error
        self._classes = contract.output.classes
        if contract.output.kind == "regressor":
            self._outputs = ["value"]
        else:
            self._outputs = ["label", "probability"][: 1 + contract.output.probabilities]

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows. Raises RequestError 422 without a finite answer."""
        results = self._session.run(self._outputs, {"rows": batch.matrix})
        # One reduction instead of a test per number: NaN and Infinity survive a sum.
        if not math.isfinite(np.add.reduce(results[-1], axis=None)):
            raise no_finite_answer()
        if self._classes is None:
            return Prediction(results[0].tolist(), None)
        classes = self._classes
        labels = [classes[index] for index in results[0].tolist()]
        return Prediction(labels, results[1] if len(results) > 1 else None)
