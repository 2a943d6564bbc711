"""The sklearn engine, and the only place in `app` that imports joblib, pandas and scikit-learn.

Unpickles one file, and only after its hash matched the manifest, whose digest is pinned in git.
"""

from __future__ import annotations

import io
import math
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import BundleRefusedError
from app.model.sklearn_outputs import ask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.bundle import Bundle
    from app.model.contract import Contract, Feature
    from app.model.prediction import Prediction
    from app.model.validation import Batch

MODEL = "model.joblib"


class SklearnEngine:
    """Run a fitted scikit-learn estimator on one thread."""

    name = "sklearn"

    def __init__(self, estimator: Any, contract: Contract) -> None:
        use_one_thread(estimator)
        self._estimator = estimator
        self._contract = contract
        self._takes_frame = wants_frame(estimator)

    @classmethod
    def from_bundle(cls, bundle: Bundle, contract: Contract) -> SklearnEngine:
        """Check the library versions, then unpickle. Raises BundleRefusedError."""
        _require_libraries(bundle.manifest["environment"]["libraries"])
        import joblib

        data = bundle.read(MODEL)
        try:
            # Safe to unpickle: these bytes have the hash that the pinned manifest lists.
            estimator = joblib.load(io.BytesIO(data))
        except Exception as error:  # unpickling runs the classes' own code
            raise BundleRefusedError(
                "model.joblib cannot be loaded",
                expected="an estimator whose classes are installed in this image",
                found=f"{type(error).__name__}: {error}"[:300],
                fix="install the package that defines its classes into the image",
            ) from error
        return cls(estimator, contract)

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows; also raises RequestError 422 if scikit-learn rejects them."""
        return ask(self._estimator, self.decode(batch), len(batch), self._contract.output)

    def decode(self, batch: Batch) -> Any:
        """The rows in the form the estimator was fitted on: a float64 array or a DataFrame."""
        if not self._takes_frame:
            return batch.matrix
        import pandas as pd

        columns = {
            feature.name: _column(feature, batch.matrix[:, index], batch)
            for index, feature in enumerate(self._contract.inputs)
        }
        return pd.DataFrame(columns, columns=list(self._contract.names))


def wants_frame(estimator: Any) -> bool:
    """Whether the estimator takes a DataFrame instead of an array.

    It does if it was fitted with feature names, or if its first step is a custom class that
    recorded neither names nor a number of columns: such steps are written for DataFrames.
    """
    return hasattr(estimator, "feature_names_in_") or not hasattr(estimator, "n_features_in_")


def use_one_thread(estimator: Any) -> None:
    """Set `n_jobs` of the estimator and of every nested step to 1.

    Threads per request would compete with the other workers for the same cores.
    """
    parameters = estimator.get_params(deep=True)
    jobs = {name: 1 for name in parameters if name.split("__")[-1] == "n_jobs"}
    estimator.set_params(**jobs)
    # Fitted clones live in attributes that get_params does not list (steps of a ColumnTransformer,
    # members of an ensemble).
    for value in vars(estimator).values():
        members = value if isinstance(value, list | tuple) else [value]
        for member in members:
            inner = member[1] if isinstance(member, tuple) and len(member) > 1 else member
            if hasattr(inner, "get_params") and not isinstance(inner, type):
                use_one_thread(inner)


def _column(feature: Feature, numbers: NDArray[np.float64], batch: Batch) -> Any:
    import pandas as pd

    missing = np.isnan(numbers)
    if feature.is_text:
        return pd.Series(batch.text[feature.name], dtype="str")
    if feature.categories is not None:
        names = [
            None if absent else feature.categories[int(code)]
            for code, absent in zip(numbers.tolist(), missing.tolist(), strict=True)
        ]
        return pd.Series(names, dtype="str")
    if feature.dtype == "boolean":
        if not missing.any():
            return numbers.astype(bool)
        # NaN, not None: SimpleImputer with its default missing_values ignores None.
        pairs = zip(numbers.tolist(), missing.tolist(), strict=True)
        return pd.Series(
            [math.nan if absent else bool(flag) for flag, absent in pairs], dtype=object
        )
    if feature.dtype == "integer" and not missing.any():
        return numbers.astype(np.int64)
    return numbers


def _require_libraries(recorded: dict[str, str]) -> None:
    """Require the scikit-learn version of packaging, and numpy's major version.

    Raises BundleRefusedError: pickles are not portable between scikit-learn versions.
    """
    for name, parts in (("scikit-learn", None), ("numpy", 1)):
        expected = recorded.get(name, "unknown")
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if expected.split(".")[:parts] != installed.split(".")[:parts]:
            raise BundleRefusedError(
                f"the bundle requires another version of {name}",
                expected=expected,
                found=installed,
                fix=f"build the image with {name} {expected}, or package it with {installed}",
            )
