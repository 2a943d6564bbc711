"""The sklearn engine, and the only place in `app` that imports joblib and scikit-learn.

Unpickles one file, and only after its hash matched the manifest, whose digest is pinned in git.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from app.errors import BundleRefusedError
from app.model.decoding import decode
from app.model.gaps import by_gaps, gap_columns, joined, taken
from app.model.sklearn_outputs import ask

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.model.bundle import Bundle
    from app.model.contract import Contract, Form
    from app.model.prediction import Prediction
    from app.model.validation import Batch

MODEL = "model.joblib"
# The folder of a bundle with the modules of the user's own that its pickle needs.
CODE = "code"
# Libraries of boosted trees, recorded only for a model that uses them: module -> its distributions,
# of which one is installed.
BOOSTERS = {
    "catboost": ("catboost",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}


class SklearnEngine:
    """Run a fitted scikit-learn estimator on one thread."""

    name = "sklearn"

    def __init__(self, estimator: Any, contract: Contract) -> None:
        use_one_thread(estimator)
        # Advice for who trains the model (unknown categories, say) is no log line of a service.
        warnings.filterwarnings("ignore", module=r"sklearn\.")
        self._estimator = estimator
        self._contract = contract if contract.form else replace(contract, form=_form(estimator))
        self._gaps = gap_columns(contract)

    @classmethod
    def from_bundle(cls, bundle: Bundle, contract: Contract) -> SklearnEngine:
        """Check the library versions, then unpickle. Raises BundleRefusedError."""
        _require_libraries(bundle.manifest["environment"]["libraries"])
        import joblib

        data = bundle.read(MODEL)
        _use_own_code(bundle)
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
        groups = by_gaps(self._gaps, batch)
        if groups is None:
            rows = self._as_fitted(decode(self._contract, batch))
            return ask(self._estimator, rows, len(batch), self._contract.output)
        return joined([self.predict(taken(batch, rows)) for rows in groups], groups)

    def _as_fitted(self, rows: Any) -> Any:
        """A frame with the fitted columns in their order; those that no step reads are empty."""
        fitted = fitted_names(self._estimator, self._contract.names)
        if fitted is None or self._contract.form != "frame":
            return rows
        return rows if fitted == list(self._contract.names) else rows.reindex(columns=fitted)


def _use_own_code(bundle: Bundle) -> None:
    """Let the pickle find the modules in the bundle, whose files have the manifest's hashes.

    Installed libraries come first: a bundle cannot put its own in their place.
    """
    folder = str(bundle.path / CODE)
    if folder in sys.path or not any(
        name.startswith(f"{CODE}/") for name in bundle.manifest["files"]
    ):
        return
    # Bytecode beside the modules would be files that the manifest does not list.
    sys.dont_write_bytecode = True
    sys.path.append(folder)


def fitted_names(estimator: Any, columns: Collection[str] = ()) -> list[str] | None:
    """The column names that the estimator was fitted on; None if it was fitted on arrays.

    As the `columns` of the data write them: LightGBM records an underscore for every space.
    """
    recorded = getattr(estimator, "feature_names_in_", None)
    if recorded is None:
        recorded = _catboost_names(getattr(estimator, "best_estimator_", estimator))
    if recorded is None:
        return None
    written = {column.replace(" ", "_"): column for column in columns}
    names = map(str, recorded)
    return [name if name in columns else written.get(name, name) for name in names]


def _catboost_names(estimator: Any) -> list[str] | None:
    """CatBoost numbers the columns of arrays."""
    if type(estimator).__module__.partition(".")[0] != "catboost":
        return None
    names = list(map(str, estimator.feature_names_))
    return None if names == list(map(str, range(len(names)))) else names


def _form(estimator: Any) -> Form:
    """The form of the rows for a bundle of schema version 1, which does not record it.

    A custom first step that recorded neither names nor a number of columns takes a frame.
    """
    takes_frame = hasattr(estimator, "feature_names_in_")
    return "frame" if takes_frame or not hasattr(estimator, "n_features_in_") else "array"


def use_one_thread(estimator: Any, seen: set[int] | None = None) -> None:
    """Set `n_jobs` of the estimator and of every nested step to 1, where it can be set.

    Threads per request would compete with the other workers for the same cores.
    """
    seen = set() if seen is None else seen
    if id(estimator) in seen or not hasattr(estimator, "get_params"):
        return
    seen.add(id(estimator))
    # A library may forbid it after fit, and a class of the user may have no such parameters.
    with contextlib.suppress(Exception):
        parameters = estimator.get_params(deep=True)
        if jobs := {name: 1 for name in parameters if name.split("__")[-1] == "n_jobs"}:
            estimator.set_params(**jobs)
    # Fitted clones live in attributes that get_params does not list (steps of a ColumnTransformer,
    # members of an ensemble).
    for value in list(getattr(estimator, "__dict__", {}).values()):
        members = value if isinstance(value, list | tuple) else [value]
        for member in members:
            inner = member[1] if isinstance(member, tuple) and len(member) > 1 else member
            if not isinstance(inner, type):
                use_one_thread(inner, seen)


def installed_version(name: str) -> str | None:
    """The version of an installed library; None if it is not installed."""
    for distribution in BOOSTERS.get(name, (name,)):
        with contextlib.suppress(PackageNotFoundError):
            return version(distribution)
    return None


def _require_libraries(recorded: dict[str, str]) -> None:
    """Require the versions of packaging: scikit-learn, boosting libraries, and numpy's major one.

    Raises BundleRefusedError: pickles are not portable between versions of these libraries.
    """
    boosters = [(name, None) for name in sorted(BOOSTERS) if name in recorded]
    for name, parts in (("scikit-learn", None), ("numpy", 1), *boosters):
        expected = recorded.get(name, "unknown")
        installed = installed_version(name)
        if installed is None and name in BOOSTERS:
            fix = "build the image with REQUIREMENTS=serve-boosters"
        else:
            fix = f"build the image with {name} {expected}, or package it with {installed}"
        found = installed or "not installed"
        if expected.split(".")[:parts] != found.split(".")[:parts]:
            raise BundleRefusedError(
                f"the bundle requires another version of {name}",
                expected=expected,
                found=found,
                fix=fix,
            )
