"""Fitted scikit-learn estimators -> ONNX graphs in double precision, number for number.

scikit-learn computes in float64 except where its trees cast to float32; so do these graphs, with
the casts in the same places. That is why they agree to the last digits, where the usual float32
conversion flips splits. What cannot be lowered says so (`CannotLowerError`) and keeps its engine.

`lower` is the entry; `graph` builds, `columns` names what flows between steps, and one module per
family of estimators holds the translations.
"""

from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.lower import lower

__all__ = ["CannotLowerError", "lower"]
