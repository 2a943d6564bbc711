"""Whatever the pipeline: an answer is the estimator's own, and what it refuses gets none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelctl.packaging import candidates
from tests.app.conftest import make_client
from tests.cases.case import Fitted
from tests.cases.generated import Generated, generate
from tests.cases.test_cases import assert_equal, package

# More by `GENERATED_CASES=1000 pytest tests/cases/test_generated.py`.
COUNT = int(os.environ.get("GENERATED_CASES", "24"))


@pytest.fixture(autouse=True)
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 300)
    monkeypatch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 300)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(COUNT))
def test_an_answer_is_the_estimators_own(seed: int, tmp_path: Path) -> None:
    made = generate(seed)
    sample = made.frame.assign(y=made.target)
    bundle = package(Fitted(made.estimator, sample, made.frame, "y"), tmp_path)
    client = make_client(bundle)
    allowed = {
        entry["name"]: entry["missing"] == "allow"
        for entry in client.get("/model/info").get_json()["inputs"]
    }
    answered = 0
    for row in made.asked:
        answered += check(made, row, client, allowed)
    assert answered


def check(made: Generated, row: dict[str, Any], client: Any, allowed: dict[str, bool]) -> bool:
    """Whether the row was answered, after comparing the answer."""
    sent = list(row.values()) if made.is_array else row
    answer = client.post("/predict", json={"instances": [sent]})
    expected = made.answer(row)
    is_huge = any(isinstance(value, float) and abs(value) >= 1e6 for value in row.values())
    if is_huge and made.has_neighbors:
        # Every training row is about equally far away.
        return False
    if answer.status_code == 200:
        assert expected is not None, (made.estimator, row, "refused by scikit-learn, answered")
        assert_equal(answer.get_json()["predictions"][0]["prediction"], expected)
        return True
    assert answer.status_code == 422, (row, answer.get_json())
    # The contract may refuse a missing value that no step was fitted for, and nothing else.
    by_rule = any(value is None and not allowed.get(name, True) for name, value in row.items())
    assert expected is None or by_rule or is_huge, (made.estimator, row, answer.get_json())
    return False
