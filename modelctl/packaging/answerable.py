"""Whether an estimator can answer new rows at all, and what it is called in messages."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_clusterer

from modelctl.errors import ModelctlError
from modelctl.packaging.lowering.walk import unwrapped


def ensure_answers(estimator: Any, what: str) -> None:
    """Raise ModelctlError unless the estimator can answer rows that it was not fitted on."""
    if hasattr(estimator, "predict") or hasattr(estimator, "transform"):
        return
    name = type_name(estimator)
    if not hasattr(estimator, "fit"):
        raise ModelctlError(
            f"{what} does not contain an estimator",
            expected="an object with `predict` or `transform`",
            found=repr(type(estimator)),
        )
    raise ModelctlError(
        f"{name} cannot answer new rows",
        expected="an estimator with `predict` or `transform`",
        found=f"{name}, which has neither",
        fix=_remedy(name, estimator),
    )


def ensure_takes_columns(estimator: Any) -> None:
    """Raise ModelctlError for a first step that reads dicts or pairs, not columns."""
    first = unwrapped(estimator)
    while getattr(first, "steps", None):
        first = unwrapped(first.steps[0][1])
    name = type(first).__name__
    if name == "DictVectorizer" or (name == "FeatureHasher" and first.input_type != "string"):
        raise ModelctlError(
            f"the model starts with {name}, which reads dicts instead of columns",
            expected="a pipeline that was fitted on a DataFrame, an array or texts",
            found=name,
            fix="put `FunctionTransformer(to_records)` before it, where `to_records(frame)` "
            "returns `frame.to_dict('records')` in a module beside the model; or use a "
            "ColumnTransformer with OneHotEncoder",
        )


def holds(predicate: Any, estimator: Any) -> bool:
    """What a predicate of scikit-learn says; False for an object that it does not know."""
    try:
        return bool(predicate(estimator))
    except Exception:  # not a scikit-learn estimator at all
        return False


def last_step(estimator: Any) -> Any:
    """The step that answers, without the searches and pipelines around it."""
    last = unwrapped(estimator)
    while getattr(last, "steps", None):
        last = unwrapped(last.steps[-1][1])
    return last


def type_name(estimator: Any) -> str:
    """The class name of the last step."""
    return type(last_step(estimator)).__name__


def _remedy(name: str, estimator: Any) -> str:
    """What to do about an estimator that only answers the rows of `fit`."""
    if getattr(estimator, "refit", True) is False:
        return f"fit {name} with refit=True, or dump the estimator that you fitted afterwards"
    if name == "LocalOutlierFactor":
        return "fit LocalOutlierFactor(novelty=True)"
    if holds(is_clusterer, estimator):
        return (
            "use a clusterer that assigns new rows (KMeans, BisectingKMeans, Birch, MeanShift, "
            "GaussianMixture), or train a classifier such as KNeighborsClassifier on its `labels_`"
        )
    if hasattr(estimator, "fit_transform"):
        return "use a projection that has `transform`, such as PCA, TruncatedSVD or UMAP"
    return "wrap it in a class whose `predict` returns a number or a class per row"
