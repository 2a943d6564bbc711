"""Models of a user's own class: with mistakes, or without what scikit-learn's classes have."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin


class OnceForAll(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers a batch of more than `limit` rows with one number, as a bug does."""

    def __init__(self, limit: int = 40) -> None:
        self.limit = limit

    def fit(self, features: Any, y: Any) -> OnceForAll:
        self.n_features_in_ = np.shape(features)[1]
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, features: Any) -> Any:
        rows = len(features)
        return np.full(1 if self.limit == rows else rows, self.mean_)


class Embedding(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Two numbers per row; for a batch of three rows one vector too few."""

    def fit(self, features: Any, _: Any = None) -> Embedding:
        self.n_features_in_ = np.shape(features)[1]
        return self

    def transform(self, features: Any) -> Any:
        matrix = np.asarray(features, dtype=np.float64)
        vectors = matrix[:, :2] * 2
        return vectors[:-1] if len(vectors) == 3 else vectors


class Untagged:
    """No class of scikit-learn's: `predict` alone, of numbers."""

    def fit(self, features: Any, y: Any) -> Untagged:
        self.n_features_in_ = np.shape(features)[1]
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, features: Any) -> Any:
        return np.asarray(features, dtype=np.float64)[:, 0] + self.mean_

    def get_params(self, **_: Any) -> dict[str, Any]:
        return {}

    def set_params(self, **_: Any) -> Untagged:
        return self


class NumPyLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classes and predictions in object arrays of NumPy's own scalars."""

    def fit(self, features: Any, _: Any) -> NumPyLabels:
        self.n_features_in_ = np.shape(features)[1]
        self.classes_ = np.empty(2, dtype=object)
        self.classes_[:] = [np.int64(3), np.int64(7)]
        return self

    def predict(self, features: Any) -> Any:
        first = np.asarray(features, dtype=np.float64)[:, 0]
        answer = np.empty(len(first), dtype=object)
        answer[:] = [self.classes_[int(value > 5.8)] for value in first]
        return answer


class Stranger(NumPyLabels):
    """Answers a label that is none of its classes, for a first feature above the limit."""

    limit_ = 7.5

    def predict(self, features: Any) -> Any:
        first = np.asarray(features, dtype=np.float64)[:, 0]
        return np.where(first > self.limit_, 9, np.where(first > 5.8, 7, 3))
