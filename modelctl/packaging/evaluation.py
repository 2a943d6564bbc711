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
    from modelctl.packaging.training_output import TrainingOutput

DIGITS = 6


def with_metrics(training_output: TrainingOutput) -> TrainingOutput:
    """The same with metrics, unless it has some, or its sample has no target column."""
    labels = training_output.labels
    if training_output.metrics or labels is None or labels.isna().any():
        return training_output
    try:
        metrics = _scores(training_output, labels)
    except Exception:  # packaging predicts the same rows, and explains what they fail with
        return training_output
    return replace(training_output, metrics=metrics)


def _scores(training_output: TrainingOutput, labels: Any) -> dict[str, float]:
    estimator = training_output.estimator
    output = training_output
    subject, _ = infer(estimator, output.features, output.target, output.rules)
    predicted = subject.expected.values
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
