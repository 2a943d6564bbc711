"""Fitted scikit-learn estimators -> ONNX graphs in double precision, number for number.

scikit-learn computes in float64 except where its trees cast to float32; these graphs cast in the
same places. Therefore they agree to the last digits, where the usual float32 conversion flips
splits. An estimator that cannot be lowered raises `CannotLowerError` and keeps the sklearn engine.

`lower` is the entry point; `graph` builds the ONNX graph, `columns` describes the data between
steps, and one module per family of estimators contains the translations.
"""

from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.lower import lower

__all__ = ["CannotLowerError", "lower"]
