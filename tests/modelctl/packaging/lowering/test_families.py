"""Every estimator family is translated exactly, over every kind of preprocessing, or refused."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from threadpoolctl import threadpool_limits

from benchmarks.families import Case, cases, try_engines
from modelctl.packaging import candidates
from modelctl.packaging.engines import chosen

if TYPE_CHECKING:
    import pandas as pd

# Penguins are measured to a tenth of a millimetre: requests of such numbers have neighbours that
# are equally far, of different species. Which one scikit-learn takes is an accident of its sorting.
TIED = "nearest neighbours/classifier/columns"
# Scaling columns changes numbers, not the translation; `make bench-exactness` runs those as well.
CASES = {case.name: case for case in cases() if case.preprocessing != "scaler"}
EXACT = [name for name in CASES if name != TIED]


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 500)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 2000)


def fitted(case: Case) -> tuple[Any, pd.DataFrame, str]:
    # Threads of OpenMP would wait for each other on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Iterative solvers stop early here on purpose.
        warnings.simplefilter("ignore")
        return case.fitted()


@pytest.mark.parametrize("name", EXACT)
def test_a_family_gets_the_exact_onnx_engine(name: str) -> None:
    family = CASES[name].family
    onnx = try_engines(*fitted(CASES[name]), wanted="onnx", tolerance=family.tolerance)[0]
    assert onnx.parity is not None
    assert onnx.parity.label_mismatches == 0
    assert ("thresholds" in onnx.parity.rows) == family.is_tree


def test_neighbours_that_are_equally_far_are_served_by_scikit_learn() -> None:
    model, features, target = fitted(CASES[TIED])
    # Halfway between two penguins, the fifth neighbour votes and the sixth is as far and does not.
    rows = model[:-1].transform(features)
    _, near = model[-1].kneighbors(rows, n_neighbors=10)
    halfway = (rows[:, None] + rows[near[:, 1:]]).reshape(-1, rows.shape[1]) / 2
    distances, _ = model[-1].kneighbors(halfway, n_neighbors=6)
    assert (distances[:, 4] == distances[:, 5]).any()
    attempts = try_engines(model, features, target, tolerance=CASES[TIED].family.tolerance)
    assert attempts[0].name == "onnx"
    assert attempts[0].parity is not None
    assert attempts[0].parity.label_mismatches > 0
    assert "labels differ from scikit-learn's" in attempts[0].reason
    assert chosen(attempts).name == "sklearn"
