"""The sklearn engine, and the only place in `app` that imports joblib, pandas and scikit-learn.

It unpickles one file, and only after that file's hash matched the manifest whose digest is pinned.
"""

from __future__ import annotations

import io
import math
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from app.errors import BundleRefusedError, RequestError
from app.model.prediction import Prediction, no_finite_answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.model.bundle import Bundle
    from app.model.contract import Contract, Feature
    from app.model.validation import Batch

MODEL = "model.joblib"


class SklearnEngine:
    """Runs a fitted scikit-learn estimator on one thread."""

    name = "sklearn"

    def __init__(self, estimator: Any, contract: Contract) -> None:
        use_one_thread(estimator)
        self._estimator = estimator
        self._contract = contract
        self._as_frame = wants_frame(estimator)

    @classmethod
    def from_bundle(cls, bundle: Bundle, contract: Contract) -> SklearnEngine:
        """Check library versions, then unpickle. Raises BundleRefusedError."""
        _check_libraries(bundle.manifest["environment"]["libraries"])
        import joblib

        data = bundle.read(MODEL)
        try:
            # Safe to unpickle: these bytes have the hash that the pinned manifest lists.
            estimator = joblib.load(io.BytesIO(data))
        except Exception as error:  # unpickling runs whatever the estimator's classes do
            raise BundleRefusedError(
                "model.joblib cannot be loaded",
                expected="an estimator whose classes are installed in this image",
                found=f"{type(error).__name__}: {error}"[:300],
                fix="install the package that defines its classes into the image",
            ) from error
        return cls(estimator, contract)

    def predict(self, batch: Batch) -> Prediction:
        """Predict validated rows. Raises RequestError 422 where scikit-learn refuses them."""
        rows = self.decode(batch)
        output = self._contract.output
        try:
            values = self._estimator.predict(rows)
            probabilities = self._estimator.predict_proba(rows) if output.probabilities else None
        except ValueError as error:
            raise RequestError(
                422, "model-refused", "The model refuses these rows", str(error)[:300]
            ) from error
        checked = values if output.kind == "regressor" else probabilities
        if checked is not None and not np.isfinite(checked).all():
            raise no_finite_answer()
        return Prediction(np.asarray(values).ravel().tolist(), probabilities)

    def decode(self, batch: Batch) -> Any:
        """The rows as the estimator was fitted on them: a float64 array or a DataFrame."""
        if not self._as_frame:
            return batch.matrix
        import pandas as pd

        columns = {
            feature.name: _column(feature, batch.matrix[:, index], batch)
            for index, feature in enumerate(self._contract.inputs)
        }
        return pd.DataFrame(columns, columns=list(self._contract.names))


def wants_frame(estimator: Any) -> bool:
    """Whether rows go in by column name.

    So they do where names were fitted, and where the first step is a class of the user's own that
    recorded neither names nor a number of columns: such steps are written for DataFrames.
    """
    return hasattr(estimator, "feature_names_in_") or not hasattr(estimator, "n_features_in_")


def use_one_thread(estimator: Any) -> None:
    """Set `n_jobs` of the estimator and of every step inside it to 1.

    Threads per request would fight with the other workers for the same cores.
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
        # NaN, not None: an imputer that waits for NaN does not see None.
        pairs = zip(numbers.tolist(), missing.tolist(), strict=True)
        return pd.Series([math.nan if gone else bool(flag) for flag, gone in pairs], dtype=object)
    if feature.dtype == "integer" and not missing.any():
        return numbers.astype(np.int64)
    return numbers


def _check_libraries(recorded: dict[str, str]) -> None:
    """scikit-learn must be the version that pickled; of numpy the major decides formats."""
    for name, parts in (("scikit-learn", None), ("numpy", 1)):
        expected = recorded.get(name, "unknown")
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        if expected.split(".")[:parts] != found.split(".")[:parts]:
            raise BundleRefusedError(
                f"the bundle needs another version of {name}",
                expected=expected,
                found=found,
                fix=f"build the image with {name} {expected}, or package the model with {found}",
            )
