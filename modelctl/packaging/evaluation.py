"""Score a finished model on its sample, when it comes without metrics of its own.

The sample may be part of what the model was fitted on, so the metrics are called `sample_...`: they
show that a new file still predicts these rows as well, not how good the model is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import accuracy_score, f1_score, r2_score

from modelctl.packaging.inference import infer

if TYPE_CHECKING:
    from app.model.prediction import Prediction
    from modelctl.packaging.training_output import TrainingOutput

DIGITS = 6


def with_metrics(training_output: TrainingOutput) -> TrainingOutput:
    """The same with metrics, unless it has some, or its sample has no target column."""
    output = training_output
    if not _can_score(output):
        return output
    try:
        subject, _ = infer(output.estimator, output.features, output.target, output.rules)
    except Exception:  # packaging asks the same, and explains it
        return output
    return replace(output, metrics=sample_metrics(output, subject.expected))


def sample_metrics(training_output: TrainingOutput, expected: Prediction) -> dict[str, Any]:
    """The metrics that the model came with; else those of its answers for its own sample."""
    if not _can_score(training_output):
        return training_output.metrics
    try:
        return _scores(training_output.estimator, training_output.labels, expected.values)
    except (TypeError, ValueError):
        # Labels of another kind than the model's answers, such as texts for a regressor.
        return training_output.metrics


def _can_score(training_output: TrainingOutput) -> bool:
    labels = training_output.labels
    return not training_output.metrics and labels is not None and not labels.isna().any()


def _scores(estimator: Any, labels: Any, predicted: list[Any]) -> dict[str, float]:
    if is_classifier(estimator):
        # As texts: a CSV may hold a class as a number that the model has as a string.
        classes, given = [str(value) for value in predicted], [str(value) for value in labels]
        scores = {
            "sample_accuracy": accuracy_score(given, classes),
            "sample_f1_macro": f1_score(given, classes, average="macro"),
        }
    elif is_regressor(estimator):
        scores = {"sample_r2": r2_score(labels, predicted)}
    else:
        return {}
    return {name: round(float(value), DIGITS) for name, value in scores.items()}
