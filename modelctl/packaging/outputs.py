"""Infer what a fitted estimator answers: its kind, targets, classes, probabilities and scores.

The kind is what scikit-learn's tags say, or what the methods of an estimator without tags tell. The
widths are those of what it answers for the first rows of the sample.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.utils import get_tags

from app.model.contract import Output, Target
from app.model.prediction import ModelOutputError
from modelctl.errors import ModelctlError
from modelctl.packaging.answerable import ensure_answers, holds, last_step, type_name
from modelctl.packaging.answers import array, first_matrix
from modelctl.packaging.labels import classes_of, clusters, target_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.contract import Kind, Scores

# Rows of the sample whose answer shows its shape.
ROWS = 20
# A longer vector is no use as JSON; text vectorizers have tens of thousands of columns.
MAX_WIDTH = 16_384


def infer_output(estimator: Any, given: Any, target: str | Sequence[str]) -> Output:
    """The output of an estimator, whose sample in the form of `fit` is `given`.

    `target`: the name of the target, or the names of several. Raises ModelctlError.
    """
    ensure_answers(estimator, "the model")
    kind = _kind(estimator, given)
    name = target if isinstance(target, str) else ", ".join(target)
    if kind == "transformer":
        return Output(kind, name, None, probabilities=False, width=_vector_width(estimator, given))
    if kind == "anomaly":
        return Output(kind, name, (-1, 1), probabilities=False, scores=_anomaly_scores(estimator))
    answer = _asked(estimator, "predict", given)
    count = _target_count(estimator, answer)
    if count:
        has_probabilities = _has_probabilities(estimator, given, answer)
        return _several(estimator, kind, count, target, given, has_probabilities=has_probabilities)
    if kind == "regressor":
        return Output(kind, name, None, probabilities=False)
    classes = clusters(estimator, answer) if kind == "cluster" else classes_of(estimator.classes_)
    if _has_probabilities(estimator, given, answer):
        return Output(kind, name, classes, probabilities=True)
    scores, width = _decision(estimator, given) if kind == "classifier" else (None, None)
    return Output(kind, name, classes, probabilities=False, scores=scores, width=width)


def _kind(estimator: Any, given: Any) -> Kind:
    """Raises ModelctlError for a `predict` of unknown meaning."""
    if not hasattr(estimator, "predict"):
        return "transformer"
    if holds(is_regressor, estimator):
        return "regressor"
    if holds(is_classifier, estimator):
        return "classifier"
    if holds(is_outlier_detector, estimator):
        return "anomaly"
    if holds(is_clusterer, estimator) or holds(_is_mixture, estimator):
        return "cluster"
    if hasattr(estimator, "classes_"):
        return "classifier"
    answer = _asked(estimator, "predict", given)
    if answer is not None and answer.dtype.kind == "f":
        return "regressor"
    raise ModelctlError(
        "the model's kind is unknown",
        expected="a classifier, regressor, clusterer, outlier detector or transformer",
        found=f"{type_name(estimator)}, which scikit-learn knows as none of them",
        fix="derive its class from ClassifierMixin or RegressorMixin (before BaseEstimator), and "
        "set `classes_` of a classifier in `fit`",
    )


def _target_count(estimator: Any, answer: NDArray[Any] | None) -> int:
    """The number of several targets; 0 for a single one."""
    if isinstance(listed := getattr(estimator, "classes_", None), list):
        return len(listed)
    return 0 if answer is None or answer.ndim < 2 or answer.shape[1] < 2 else answer.shape[1]


def _several(
    estimator: Any,
    kind: Kind,
    count: int,
    target: str | Sequence[str],
    given: Any,
    *,
    has_probabilities: bool,
) -> Output:
    """Several targets: of numbers, of classes, or of labels that are present or not."""
    names = target_names(target, count)
    title = ", ".join(names)
    if kind == "regressor":
        targets = tuple(Target(name, None) for name in names)
        return Output(kind, title, None, probabilities=False, targets=targets)
    listed = getattr(estimator, "classes_", None)
    if isinstance(listed, list | tuple) and len(listed) == count:
        # A chain lists them in its own order.
        order = getattr(last_step(estimator), "order_", range(count))
        classes = [classes_of(listed[list(order).index(at)]) for at in range(count)]
    else:
        # Labels present or not: scikit-learn's `classes_` are then the columns' numbers.
        classes = [(0, 1)] * count
    targets = tuple(Target(name, one) for name, one in zip(names, classes, strict=True))
    if has_probabilities:
        return Output(kind, title, None, probabilities=True, targets=targets)
    scores, width = _decision(estimator, given)
    if width != count:
        scores = width = None
    return Output(
        kind, title, None, probabilities=False, scores=scores, width=width, targets=targets
    )


def _has_probabilities(estimator: Any, given: Any, answer: NDArray[Any] | None) -> bool:
    """Whether `predict_proba` is there, and works wherever `predict` does.

    Some metaestimators have it whatever their members are, such as a chain of multiclass ones.
    """
    if not hasattr(estimator, "predict_proba"):
        return False
    return answer is None or _asked(estimator, "predict_proba", given) is not None


def _decision(estimator: Any, given: Any) -> tuple[Scores | None, int | None]:
    """The decision function and its numbers per row, for a classifier without probabilities."""
    answer = _asked(estimator, "decision_function", given)
    if answer is None:
        return None, None
    is_vector = answer.ndim > 1 and answer.shape[1] > 1
    return "decision_function", answer.shape[1] if is_vector else None


def _anomaly_scores(estimator: Any) -> Scores | None:
    names: tuple[Scores, ...] = ("decision_function", "score_samples")
    return next((name for name in names if hasattr(estimator, name)), None)


def _vector_width(estimator: Any, given: Any) -> int:
    rows = given[:ROWS]
    name = type_name(estimator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vectors = _numbers(estimator.transform(rows))
    except ModelOutputError as error:
        raise ModelctlError(
            f"{name} does not transform rows to numbers",
            expected="a vector of numbers per row",
            found=str(error)[:300],
            fix="encode its columns as a further step",
        ) from error
    except Exception as error:  # a pipeline runs whatever its steps do
        raise ModelctlError(
            "the model cannot transform its own sample",
            expected="a sample with the fitted columns and types",
            found=f"{type(error).__name__}: {error}"[:500],
            fix="call fit before joblib.dump, and write the sample from what was passed to fit",
        ) from error
    if vectors.ndim != 2 or not 1 <= vectors.shape[1] <= MAX_WIDTH:
        raise ModelctlError(
            f"{name} does not answer a vector that can be served",
            expected=f"1 to {MAX_WIDTH:,} numbers per row",
            found=f"an array of shape {vectors.shape} for {ROWS} rows",
            fix="reduce it as a further step, such as TruncatedSVD or a selection of features",
        )
    return int(vectors.shape[1])


def _asked(estimator: Any, method: str, given: Any) -> NDArray[Any] | None:
    """What a method answers for the first rows; None if it has none or fails.

    A failure is reported, with its cause, when the whole sample is predicted.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = getattr(estimator, method)(given[:ROWS])
            # Probabilities of several targets: a list of matrices of different widths.
            return array(first_matrix(answer))
    except Exception:
        return None


def _is_mixture(estimator: Any) -> bool:
    """A density estimator that predicts: it answers the number of a component."""
    return bool(get_tags(estimator).estimator_type == "density_estimator")


def _numbers(answer: Any) -> NDArray[np.float64]:
    """Raises ModelOutputError if the answer is not numeric."""
    try:
        return array(answer).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ModelOutputError(f"not numbers: {error}") from error
