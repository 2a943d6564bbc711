"""A bundle as a function of Arrow tables, for engines that read and schedule by themselves.

Spark's `mapInArrow` and Ray's `map_batches` take it: each row in is one row out, with its
prediction or with the reason why it has none. Every process that predicts verifies the bundle.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from app.batch.answers import AnswerWriter
from app.batch.chunks import TableChunk
from app.batch.explaining import ChunkExplainer, fields_of
from app.batch.model import load, require_background
from app.batch.planning import require_free_names
from app.batch.scanning import Columns
from app.batch.shard import ERROR_TYPE, ERRORS, REASON, predict_valid
from app.batch.validation import ChunkValidator, Validated
from app.model import manifest as manifests
from app.model.bundle import verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.batch.model import Model

# Rows that are predicted together.
CHUNK_ROWS = 8192


@functools.lru_cache(2)
def _loaded(model_dir: str, digest: str, *, explain: bool) -> Model:
    """Once in each process: Spark unpickles a predictor for every task."""
    return load(Path(model_dir), digest, explain=explain)


@dataclass(frozen=True)
class _Settings:
    """What a predictor was made with."""

    model_dir: str
    digest: str
    passthrough: tuple[str, ...]
    ignore: tuple[str, ...]
    probabilities: bool
    explain: bool


class Predictor:
    """Predicts Arrow tables by one bundle; pickled, it is its settings alone.

    `model_dir` is a path that every process can read. `passthrough`: columns that are kept beside
    the predictions. `ignore`: columns that are neither features nor kept. `explain`: what each
    feature adds, as /explain has it.
    """

    def __init__(
        self,
        model_dir: str | Path,
        digest: str,
        *,
        passthrough: Sequence[str] = (),
        ignore: Sequence[str] = (),
        probabilities: bool = False,
        explain: bool = False,
    ) -> None:
        """Verify the bundle. Raises BundleRefusedError, BatchRefusedError."""
        self._settings = _Settings(
            str(model_dir), digest, tuple(passthrough), tuple(ignore), probabilities, explain
        )
        self._open()

    def _open(self) -> None:
        given = self._settings
        bundle = verify(Path(given.model_dir), given.digest)
        _, contract = manifests.verify(bundle.manifest)
        if given.explain:
            require_background(bundle, contract)
        require_free_names(given.passthrough, contract, explain=given.explain)
        self._columns = Columns(contract, given.passthrough, given.ignore)
        self._answers = AnswerWriter(contract.output, with_numbers=given.probabilities)
        explained = fields_of(contract) if given.explain else []
        self._fields = [*self._answers.fields, *explained]

    def __getstate__(self) -> Any:
        """Whoever unpickles it verifies the bundle again."""
        return self._settings

    def __setstate__(self, settings: _Settings) -> None:
        self._settings = settings
        self._open()

    def schema(self, rows: pa.Schema) -> pa.Schema:
        """What comes out for rows of this schema. Raises BatchRefusedError."""
        self._columns.require("the input", rows.names)
        return pa.schema(
            [
                *(rows.field(name) for name in self._columns.passthrough),
                *self._fields,
                pa.field(REASON, pa.string()),
                pa.field(ERRORS, ERROR_TYPE),
            ]
        )

    def __call__(self, table: pa.Table) -> pa.Table:
        """Predict a table. Raises BatchRefusedError, ModelOutputError."""
        schema = self.schema(table.schema)
        chunks = table.combine_chunks().to_batches(max_chunksize=CHUNK_ROWS)
        return pa.Table.from_batches([self._chunk(chunk, schema) for chunk in chunks], schema)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Predict batch after batch, as `mapInArrow` wants it."""
        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()

    def spark(self, frame: Any) -> Any:
        """A DataFrame of Spark with the predictions of another one. Nothing runs yet."""
        from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

        return frame.mapInArrow(
            self.batches, from_arrow_schema(self.schema(to_arrow_schema(frame.schema)))
        )

    def ray(self, dataset: Any, **options: Any) -> Any:
        """A Dataset of Ray with the predictions of another one; `options` are `map_batches`'.

        Each actor loads the bundle once.
        """
        named = asdict(self._settings)
        path, digest = named.pop("model_dir"), named.pop("digest")
        return dataset.map_batches(
            Predictor,
            fn_constructor_args=(path, digest),
            fn_constructor_kwargs=named,
            batch_format="pyarrow",
            **options,
        )

    def _chunk(self, rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        given = self._settings
        model = _loaded(given.model_dir, given.digest, explain=given.explain)
        validator = ChunkValidator(model.contract, model.validator)
        chunk = TableChunk(rows)
        done, prediction = predict_valid(model.engine, validator.table(chunk))
        columns = None if prediction is None else self._answers.columns(prediction)
        if columns is not None and model.explainer is not None:
            done, columns = _explained(ChunkExplainer(model, model.explainer), done, columns)
        count = len(chunk)
        # Where the answer of each row is; no place: null.
        places = np.full(count, -1)
        places[done.places] = np.arange(len(done.places))
        indices = pa.array(places, mask=places < 0)
        answers = (
            [pa.nulls(count, field.type) for field in self._fields]
            if columns is None
            else [column.take(indices) for column in columns]
        )
        reasons: list[str | None] = [None] * count
        errors: list[list[dict[str, str]] | None] = [None] * count
        for one in done.rejected:
            reasons[one.at] = one.reason
            errors[one.at] = [{"field": field, "message": text} for field, text in one.errors]
        beside = [chunk.passthrough(name) for name in self._columns.passthrough]
        why = [pa.array(reasons, pa.string()), pa.array(errors, ERROR_TYPE)]
        return pa.RecordBatch.from_arrays([*beside, *answers, *why], schema=schema)


def _explained(
    explainer: ChunkExplainer, done: Validated, columns: list[Any]
) -> tuple[Validated, list[Any]]:
    """The rows that are explained, and their columns with the explanations."""
    found = list(explainer.explain(done))
    kept = np.concatenate([some.kept for some in found])
    refused = [one for some in found for one in some.refused]
    added = [
        pa.concat_arrays(parts) for parts in zip(*(some.columns for some in found), strict=True)
    ]
    columns = [*(column.take(pa.array(kept)) for column in columns), *added]
    return Validated(done.places[kept], done.batch, [*done.rejected, *refused]), columns
