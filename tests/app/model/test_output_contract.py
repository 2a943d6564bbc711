"""The manifest's `output`: earlier bundles, every kind and back, and what is no output at all."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.errors import BundleRefusedError
from app.model.contract import Contract, Output, Target

INPUTS: list[Any] = []
KINDS = (
    Output("regressor", "y", None, probabilities=False),
    Output("classifier", "y", ("a", "b"), probabilities=True),
    Output("classifier", "y", (False, True), probabilities=False, scores="decision_function"),
    Output("classifier", "y", (0, 1, 2), False, "decision_function", 3),
    Output("anomaly", "y", (-1, 1), probabilities=False, scores="score_samples"),
    Output("cluster", "y", (0, 1, 2), probabilities=True),
    Output("transformer", "y", None, probabilities=False, width=4),
    Output(
        "classifier",
        "a, b",
        None,
        probabilities=True,
        targets=(Target("a", (0, 1)), Target("b", ("x", "y", "z"))),
    ),
    Output("regressor", "a, b", None, False, targets=(Target("a", None), Target("b", None))),
)


def read(output: dict[str, Any]) -> Output:
    return Contract.from_manifest({"inputs": INPUTS, "output": output}).output


@pytest.mark.parametrize("output", KINDS, ids=lambda output: output.kind)
def test_every_kind_survives_the_manifest(output: Output) -> None:
    written = orjson.loads(orjson.dumps(Contract((), output).as_manifest()["output"]))
    assert read(written) == output


def test_bundles_without_the_newer_keys_are_read() -> None:
    entry = {"kind": "classifier", "target": "y", "classes": ["a", "b"], "probabilities": True}
    assert read(entry) == Output("classifier", "y", ("a", "b"), probabilities=True)
    # And what they mean is still written with these keys only.
    assert set(Contract((), read(entry)).as_manifest()["output"]) == set(entry)


def test_the_columns_of_every_target_follow_each_other() -> None:
    assert KINDS[7].class_slices == (slice(0, 2), slice(2, 5))
    assert KINDS[1].class_slices == (slice(0, 2),)
    assert KINDS[0].class_slices == ()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"kind": "ranker"}, id="unknown-kind"),
        pytest.param({"scores": "decision"}, id="unknown-scores"),
        pytest.param({"scores": "decision_function"}, id="scores-and-probabilities"),
        pytest.param({"width": 0}, id="no-width"),
        pytest.param({"width": True}, id="width-is-a-flag"),
        pytest.param({"kind": "transformer", "classes": None}, id="vector-without-width"),
        pytest.param({"classes": None}, id="classifier-without-classes"),
        pytest.param({"kind": "regressor"}, id="regressor-with-classes"),
        pytest.param({"targets": [{"name": "a"}]}, id="target-without-classes"),
    ],
)
def test_an_output_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    entry = {"kind": "classifier", "target": "y", "classes": ["a", "b"], "probabilities": True}
    with pytest.raises(BundleRefusedError, match=r"^manifest\.json (at \S+ )?is invalid: "):
        read(entry | wrong)
