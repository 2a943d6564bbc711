"""A prediction by the names of scikit-learn's methods, as V1 and V2 let a client choose.

`predict` (`transform` of a transformer) is the answer itself; `predict_proba` and
`decision_function` or `score_samples` exist where the model has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.model.contract import Output
    from app.model.prediction import Prediction

PREDICT = "predict"
TRANSFORM = "transform"
PREDICT_PROBA = "predict_proba"


def answer_name(output: Output) -> str:
    """The method that gives the answer itself."""
    return TRANSFORM if output.kind == "transformer" else PREDICT


def method_names(output: Output) -> tuple[str, ...]:
    """The methods that a client can choose, the answer itself first."""
    probabilities = (PREDICT_PROBA,) if output.probabilities else ()
    return (answer_name(output), *probabilities, *((output.scores,) if output.scores else ()))


def rows_of(prediction: Prediction, output: Output, method: str) -> list[Any]:
    """One JSON value per row of what a method answers; by target, if there are several."""
    if method == PREDICT_PROBA and prediction.probabilities is not None:
        if output.targets:
            return probabilities_by_target(prediction, output)
        probabilities: list[Any] = prediction.probabilities.tolist()
        return probabilities
    if method == output.scores and prediction.scores is not None:
        if output.targets:
            return scores_by_target(prediction, output)
        scores: list[Any] = prediction.scores.tolist()
        return scores
    return prediction.values


def probabilities_by_target(prediction: Prediction, output: Output) -> list[dict[str, list[float]]]:
    """Rows of {target: probabilities in the order of its classes}; none without probabilities."""
    if prediction.probabilities is None:
        return []
    columns = list(zip(output.targets, output.class_slices, strict=True))
    return [
        {target.name: row[part] for target, part in columns}
        for row in prediction.probabilities.tolist()
    ]


def scores_by_target(prediction: Prediction, output: Output) -> list[dict[str, float]]:
    """Rows of {target: score}; none without scores."""
    if prediction.scores is None:
        return []
    names = [target.name for target in output.targets]
    return [dict(zip(names, row, strict=True)) for row in prediction.scores.tolist()]
