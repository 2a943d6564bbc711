"""Columns at once and rows one by one: the service's Validator decides the same of both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from app.batch.chunks import CsvChunk, TableChunk
from app.batch.encoding import json_value
from app.batch.validation import ChunkValidator, Validated
from app.errors import RequestError
from app.model.contract import Contract, Output
from app.model.feature import Feature
from app.model.validation import Batch, Validator
from app.protocols.csv_rows import cell_reader

FEATURES = [
    Feature("x", "float"),
    Feature("x", "float", missing="allow", range=(-1.0, 2.5)),
    Feature("x", "float", categories=(0.5, 1.0)),
    Feature("x", "integer"),
    Feature("x", "integer", storage="int8", missing="allow"),
    Feature("x", "integer", categories=(1, 2)),
    Feature("x", "boolean", missing="allow"),
    Feature("x", "string", categories=("a", "", "NA")),
    Feature("x", "string", categories=("a", "b"), unseen="pass", missing="allow"),
    Feature("x", "string"),
    Feature("x", "datetime", missing="allow"),
]
LARGE = [2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, 127, 128, 0, 1]
FLOATS = st.floats(width=64) | st.sampled_from([0.5, 1.0, 3.4028234663852886e38, 2.0**53, -0.0])
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(LARGE)
TEXTS = st.sampled_from(["a", "b", "", "NA", "nan", "1", " 1 ", "1_0", "1e3", "2026-01-31", "٣"])
TIMES = st.datetimes(datetime(1500, 1, 1), datetime(2500, 1, 1))
COLUMNS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.float64(), FLOATS),
    (pa.float32(), st.floats(width=32)),
    (pa.int64(), INTEGERS),
    (pa.uint64(), st.integers(0, 2**64 - 1) | st.sampled_from([2**53, 2**53 + 1])),
    (pa.int8(), st.integers(-128, 127)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXTS),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    (pa.timestamp("us"), TIMES),
    (pa.timestamp("ms", "UTC"), TIMES.map(lambda t: t.replace(tzinfo=UTC, microsecond=0))),
    (pa.date32(), st.dates()),
]
CELLS = st.text(max_size=6) | FLOATS.map(repr) | INTEGERS.map(str) | TEXTS


def contract(feature: Feature) -> Contract:
    """Of one feature."""
    return Contract((feature,), Output("regressor", "y", None, False))


def one_by_one(feature: Feature, values: list[Any]) -> tuple[list[int], list[Batch], list[Any]]:
    """What the Validator says of each row: accepted places, their batches, and every error."""
    validator = Validator(contract(feature))
    accepted, batches, errors = [], [], []
    for at, value in enumerate(values):
        try:
            batches.append(validator.batch([{"x": value}], [()], 1))
            accepted.append(at)
        except RequestError as error:
            errors.append((at, tuple((".".join(map(str, e.loc)), e.msg) for e in error.errors)))
    return accepted, batches, errors


def require_same(found: Validated, feature: Feature, values: list[Any]) -> None:
    """Fail unless the rows were decided about, and encoded, as one by one."""
    accepted, batches, errors = one_by_one(feature, values)
    assert found.places.tolist() == accepted
    assert [(one.at, one.errors) for one in found.rejected] == errors
    matrix = [batch.matrix[0, 0] for batch in batches]
    np.testing.assert_array_equal(found.batch.matrix[:, 0], np.array(matrix, dtype=np.float64))
    texts = [text for batch in batches for text in batch.text.get("x", [])]
    assert found.batch.text.get("x", []) == texts


def chunks(feature: Feature) -> ChunkValidator:
    """For one feature."""
    made = contract(feature)
    return ChunkValidator(made, Validator(made))


@given(st.data())
def test_a_column_of_parquet_is_validated_as_its_rows(data: st.DataObject) -> None:
    feature = data.draw(st.sampled_from(FEATURES))
    kind, value = data.draw(st.sampled_from(COLUMNS))
    column = pa.array(data.draw(st.lists(value | st.none(), min_size=1, max_size=30)), kind)
    values = [json_value(cell) for cell in column.to_pylist()]
    found = chunks(feature).table(TableChunk(pa.record_batch([column], names=["x"])))
    require_same(found, feature, values)


@example(Feature("x", "integer"), [str(number) for number in LARGE])
@given(st.sampled_from(FEATURES), st.lists(CELLS, min_size=1, max_size=30))
def test_a_column_of_csv_is_validated_as_its_rows(feature: Feature, cells: list[str]) -> None:
    values = [cell_reader(feature)(cell) for cell in cells]
    found = chunks(feature).lines(CsvChunk(("x",), [[cell] for cell in cells]))
    require_same(found, feature, values)
