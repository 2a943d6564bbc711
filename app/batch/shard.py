"""Predict one shard: read, validate, predict and write, a chunk at a time.

Every row of the shard ends in exactly one of two files, or there is no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from app.batch import parts, reading
from app.batch.answers import AnswerWriter
from app.batch.chunks import CsvChunk, TableChunk
from app.batch.errors import BatchError
from app.batch.explaining import ChunkExplainer
from app.batch.inputs import open_inputs
from app.batch.validation import ChunkValidator, Rejection, Validated
from app.errors import RequestError
from app.model.gaps import joined, taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.batch.folders import Folder
    from app.batch.model import Model
    from app.batch.plan import Plan
    from app.model.prediction import Engine, Prediction
    from app.model.validation import Batch

# Where a row is from: the path of its file below the input, and its number in it, from 0.
FILE, ROW = "file", "row"
REASON, ERRORS = "reason", "errors"
ERROR_TYPE = pa.list_(pa.struct([("field", pa.string()), ("message", pa.string())]))
FILE_TYPE = pa.dictionary(pa.int32(), pa.string())


class ShardRunner:
    """Predicts shards of one plan with one loaded bundle; `out` is the folder of plan.json."""

    def __init__(self, plan: Plan, out: Folder, model: Model) -> None:
        self._plan = plan
        self._out = out
        self._inputs = open_inputs(plan, out)
        self._model = model
        self._chunks = ChunkValidator(model.contract, model.validator)
        self._answers = AnswerWriter(model.contract.output, with_numbers=plan.probabilities)
        self._explainer = None
        if plan.explain and model.explainer is not None:
            self._explainer = ChunkExplainer(model, model.explainer)

    def run(self, index: int, on_rows: Callable[[int], None]) -> parts.Facts:
        """Write the part of a shard, unless this run has it; `on_rows` hears of each chunk.

        Raises BatchError, OSError or ModelOutputError; then there is no part.
        """
        existing = parts.read_complete(self._out, index, self._plan.run)
        if existing is not None:
            return existing
        shard = self._plan.shards[index]
        passed = reading.passthrough_fields(self._plan, shard, self._inputs)
        common = [pa.field(FILE, FILE_TYPE), pa.field(ROW, pa.int64()), *passed]
        schema = self._schema(common)
        reasons = [pa.field(REASON, pa.string()), pa.field(ERRORS, ERROR_TYPE)]
        rows = predicted = 0
        with (
            self._out.writing(parts.rejected_name(index)) as beside_part,
            self._out.writing(parts.part_name(index)) as writing,
            parts.PartWriter(beside_part, pa.schema([*common, *reasons])) as rejected,
            parts.PartWriter(writing, schema) as part,
        ):
            names = self._model.contract.names
            with reading.opened(self._plan, shard, self._inputs, names) as chunks:
                for chunk in chunks:
                    beside = self._beside(index, chunk, rows)
                    refused = self._write(part, beside, chunk, on_rows)
                    if refused:
                        rejected.write(_rejections(beside, refused))
                    rows += len(chunk)
                    predicted += len(chunk) - len(refused)
            _require_rows(self._plan.files[shard.file].path, shard.rows, rows)
            facts = parts.Facts(
                self._plan.run, self._plan.bundle.digest, index, rows, predicted, rows - predicted
            )
            rejected.commit(facts)
            part.commit(facts)
        return facts

    def _schema(self, common: list[Any]) -> Any:
        """What a part has; the others have the reasons in place of answers."""
        if self._explainer is None:
            return pa.schema([*common, *self._answers.fields])
        fields = [*common, *self._answers.fields, *self._explainer.fields]
        return pa.schema(fields, self._explainer.metadata)

    def _write(
        self, part: parts.PartWriter, beside: list[Any], chunk: Any, on_rows: Callable[[int], None]
    ) -> list[Rejection]:
        """Write the rows of a chunk that have an answer; the others, by their place."""
        done, prediction = predict_valid(self._model.engine, self._validated(chunk))
        if prediction is None:
            on_rows(len(chunk))
            return done.rejected
        columns = [*_taken(beside, done.places, len(chunk)), *self._answers.columns(prediction)]
        if self._explainer is None:
            part.write(columns)
            on_rows(len(chunk))
            return done.rejected
        refused = list(done.rejected)
        on_rows(len(refused))
        for some in self._explainer.explain(done):
            part.write([*_taken(columns, some.kept, -1), *some.columns])
            refused += some.refused
            on_rows(some.rows)
        return sorted(refused, key=lambda one: one.at)

    def _validated(self, chunk: Any) -> Validated:
        if isinstance(chunk, TableChunk):
            return self._chunks.table(chunk)
        if isinstance(chunk, CsvChunk):
            return self._chunks.lines(chunk)
        return self._chunks.documents(chunk)

    def _beside(self, index: int, chunk: Any, before: int) -> list[Any]:
        """The columns that say which row it is, and those that are passed through."""
        shard = self._plan.shards[index]
        first, count = shard.first_row + before, len(chunk)
        name = pa.array([self._plan.files[shard.file].path])
        file = pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), name)
        passed = [chunk.passthrough(name) for name in self._plan.passthrough]
        return [file, pa.array(np.arange(first, first + count)), *passed]


def predict_valid(engine: Engine, rows: Validated) -> tuple[Validated, Prediction | None]:
    """The answers for validated rows; those that the model itself refuses join the rejected.

    The prediction is None if there is no row left.
    """
    kept, prediction, refused = _predicted(engine, rows.batch, rows.places)
    if not refused:
        return rows, prediction
    rejected = sorted([*rows.rejected, *refused], key=lambda one: one.at)
    return Validated(kept, rows.batch, rejected), prediction


def _predicted(
    engine: Engine, batch: Batch, places: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Prediction | None, list[Rejection]]:
    """Predict rows together; if the model refuses them, each half, down to the single row."""
    count = len(places)
    if not count:
        return places, None, []
    try:
        return places, engine.predict(batch), []
    except RequestError as error:
        if count == 1:
            return places[:0], None, [Rejection.of(int(places[0]), error)]
    middle = count // 2
    halves = [
        _predicted(engine, taken(batch, span), places[span])
        for span in (np.arange(middle), np.arange(middle, count))
    ]
    kept = np.concatenate([half[0] for half in halves])
    found = [half[1] for half in halves if half[1] is not None]
    refused = [one for half in halves for one in half[2]]
    if not found:
        return kept, None, refused
    sizes = np.cumsum([0, *(len(part.values) for part in found)])
    groups = [np.arange(sizes[at], sizes[at + 1]) for at in range(len(found))]
    return kept, joined(found, groups), refused


def _taken(columns: list[Any], places: NDArray[np.intp], rows: int) -> list[Any]:
    """The columns at these places, which are all of them if there are as many as `rows`."""
    if len(places) == rows:
        return columns
    return [column.take(pa.array(places)) for column in columns]


def _rejections(beside: list[Any], rejected: list[Rejection]) -> list[Any]:
    places = np.array([one.at for one in rejected], dtype=np.intp)
    errors = [
        [{"field": field, "message": message} for field, message in one.errors] for one in rejected
    ]
    return [
        *_taken(beside, places, -1),
        pa.array([one.reason for one in rejected]),
        pa.array(errors, ERROR_TYPE),
    ]


def _require_rows(name: str, expected: int, found: int) -> None:
    if found != expected:
        raise BatchError(
            f"{name} has another number of rows than planned",
            expected=f"{expected:,} rows in this shard",
            found=f"{found:,}",
            fix="plan again into another folder",
        )
