"""Every estimator family is translated exactly, over every kind of preprocessing."""

from __future__ import annotations

import warnings

import pytest
from threadpoolctl import threadpool_limits

from benchmarks.families import Case, cases, try_engines
from modelctl.packaging import candidates

# Scaling columns changes numbers, not the translation; `make bench-exactness` runs those as well.
CASES = [case for case in cases() if case.preprocessing != "scaler"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_family_gets_the_exact_onnx_engine(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 500)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 2000)
    # Threads of OpenMP would wait for each other on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Iterative solvers stop early here on purpose.
        warnings.simplefilter("ignore")
        model, features, target = case.fitted()
    onnx = try_engines(model, features, target, wanted="onnx", tolerance=case.family.tolerance)[0]
    assert onnx.parity is not None
    assert onnx.parity.label_mismatches == 0
    assert ("thresholds" in onnx.parity.rows) == case.family.is_tree
