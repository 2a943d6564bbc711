"""Equal keys mean rows that no engine can tell apart, and every protocol has the same key."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.key import KEY_BYTES, Keys, scope
from app.model.bundle import Bundle
from app.model.prediction import Prediction
from app.model.validation import Batch
from app.service import Service
from tests import trained
from tests.app.cache import asked

KEYS = Keys(b"a scope")
# Few values, so that two batches are often equal, and those that look alike and are not.
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.1 + 0.2, 0.3, float("nan"), 5e-324])
TEXTS = st.sampled_from(["", "a", "ab", "b", "\0", "\1", "a\0", "é", "e\u0301", None])


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Small ones, of up to two columns of text."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    values = [[draw(NUMBERS) for _ in range(columns)] for _ in range(rows)]
    names = draw(st.sampled_from([(), ("t",), ("t", "u"), ("u", "t")]))
    text = {name: [draw(TEXTS) for _ in range(rows)] for name in names}
    return Batch(np.array(values), text)


def written(batch: Batch) -> tuple[Any, ...]:
    """All there is to a batch, told apart by Python: every number by its bits."""
    numbers = [[struct.pack(">d", value) for value in row] for row in batch.matrix.tolist()]
    return (numbers, [(name, list(texts)) for name, texts in batch.text.items()])


@settings(max_examples=1500, deadline=None)
@given(batches(), batches())
def test_keys_are_equal_if_and_only_if_the_rows_are(one: Batch, other: Batch) -> None:
    assert (KEYS.of(one) == KEYS.of(other)) == (written(one) == written(other))
    assert len(KEYS.of(one)) == KEY_BYTES


def test_the_same_numbers_in_another_shape_are_other_rows() -> None:
    values = np.arange(6.0)
    keys = {KEYS.of(Batch(values.reshape(shape))) for shape in ((1, 6), (6, 1), (2, 3), (3, 2))}
    assert len(keys) == 4


def test_the_order_of_a_matrix_in_memory_is_no_difference() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert KEYS.of(Batch(values)) == KEYS.of(Batch(np.asfortranarray(values)))


def test_a_bundle_a_library_and_a_secret_have_keys_of_their_own() -> None:
    bundle = asked.service(trained.bundle("iris")).bundle
    rows = Batch(np.zeros((1, 4)))
    other = Bundle(bundle.path, bundle.manifest, "sha256:" + "0" * 64)
    changed = {**bundle.manifest["environment"], "libraries": {"numpy": "1.0", "pytest": "9"}}
    updated = Bundle(bundle.path, {**bundle.manifest, "environment": changed}, bundle.digest)
    scopes = [scope(bundle), scope(other), scope(updated)]
    keys = {Keys(own, secret).of(rows) for own in scopes for secret in (b"", b"s" * 16, b"t" * 16)}
    assert len(keys) == 9


ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.9, 4.5, 1.5], [0.0, -0.0, 1.0, 1e-30]]


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS, [[5, 3, 1, 0]]])
def test_every_protocol_has_the_key_of_the_same_rows(rows: list[list[float]]) -> None:
    service = asked.service(trained.bundle("iris"))
    found = asked.by_protocol(service, rows)
    assert len({KEYS.of(batch) for batch in found.values()}) == 1, {
        name: KEYS.of(batch).hex()[:8] for name, batch in found.items()
    }


def is_same(one: Prediction, other: Prediction) -> bool:
    """To the last bit, and in type."""
    arrays = [(one.probabilities, other.probabilities), (one.scores, other.scores)]
    return repr(one.values) == repr(other.values) and all(
        (left is None and right is None)
        or (left is not None and right is not None and left.tobytes() == right.tobytes())
        for left, right in arrays
    )


@pytest.fixture(
    scope="module",
    params=[("iris", "onnx"), ("iris", "sklearn"), ("penguins", "onnx"), ("penguins", "sklearn"),
            ("diabetes", "onnx")],
    ids=" on ".join,
)  # fmt: skip
def model(request: pytest.FixtureRequest) -> Service:
    """Of each engine: numbers, and categories that may be missing."""
    return asked.service(trained.bundle(*request.param))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_equal_key_is_an_equal_prediction_of_the_engine(
    model: Service, data: st.DataObject
) -> None:
    columns = []
    for feature in model.contract.inputs:
        values = list(feature.categories or (-0.0, 0.0, 1.0, 40.1, 40.1 + 1e-9, 200.0))
        columns.append(st.sampled_from([*values, None] if feature.missing == "allow" else values))
    rows = data.draw(st.lists(st.tuples(*columns).map(list), min_size=1, max_size=4))
    first, again = asked.batch(model, rows), asked.batch(model, [list(row) for row in rows])
    assert KEYS.of(first) == KEYS.of(again)
    assert is_same(model.engine.predict(first), model.engine.predict(again))
    # What the cache says is what the engine says, computed or found.
    assert model.cache is not None
    for _ in range(2):
        found = model.cache.predict(again, asked.soon())
        assert is_same(found, model.engine.predict(first))
