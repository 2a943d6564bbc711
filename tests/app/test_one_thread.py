"""One thread for each worker: set wherever it can be, and never a reason to fail."""

from __future__ import annotations

from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.model.sklearn_engine import use_one_thread

ROWS = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.5]]
LABELS = ["a", "b", "a", "b"]


class Forbids:
    """As CatBoost once it is fitted: parameters can be read, and not set."""

    def __init__(self, inner: Any = None) -> None:
        self.n_jobs = 4
        self.inner = inner
        self.myself = self

    def get_params(self, **_: Any) -> dict[str, Any]:
        """One parameter."""
        return {"n_jobs": self.n_jobs}

    def set_params(self, **_: Any) -> None:
        """Refuse."""
        raise RuntimeError("You can't change params of fitted model.")


class Bare:
    """A class of the user with nothing but `predict`."""

    def predict(self, rows: Any) -> list[int]:
        """The same for each row."""
        return [0] * len(rows)


def test_every_forest_inside_gets_one_thread() -> None:
    scaled = make_column_transformer((StandardScaler(), [0, 1]), n_jobs=3)
    forests = [(str(i), RandomForestClassifier(2, n_jobs=2)) for i in range(2)]
    model = make_pipeline(scaled, VotingClassifier(forests, n_jobs=2)).fit(ROWS, LABELS)
    use_one_thread(model)
    voting = model[-1]
    jobs = [model[0].n_jobs, voting.n_jobs, *(forest.n_jobs for forest in voting.estimators_)]
    assert jobs == [1, 1, 1, 1]


def test_a_class_that_forbids_it_keeps_its_own_and_its_parts_get_one_thread() -> None:
    forest = RandomForestClassifier(2, n_jobs=2).fit(ROWS, LABELS)
    model = Forbids(forest)
    use_one_thread(model)
    assert (model.n_jobs, forest.n_jobs) == (4, 1)


def test_a_class_without_parameters_is_left_alone() -> None:
    use_one_thread(Bare())
