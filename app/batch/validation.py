"""A chunk of rows -> the Batch of those that the contract accepts, and why others are rejected.

Columns are encoded at once; a row with anything uncertain goes through the service's own Validator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.batch.encoding import ColumnEncoder, Encoded, json_value
from app.errors import FieldError, RequestError
from app.model.gaps import taken
from app.model.validation import Batch, width_text
from app.protocols.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from app.batch.chunks import CsvChunk, JsonChunk, TableChunk
    from app.model.contract import Contract
    from app.model.validation import Validator


@dataclass(frozen=True)
class Rejection:
    """A row that is not predicted: its place in the chunk, and what the service says of it.

    `reason` is the word that the service's metrics and problem types have for it.
    """

    at: int
    reason: str
    errors: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, at: int, error: RequestError) -> Rejection:
        """Of one row that was asked alone; without invalid fields it is about the whole row."""
        if not error.errors:
            return cls(at, error.kind, (("", error.detail),))
        return cls(at, error.kind, tuple((_field(entry), entry.msg) for entry in error.errors))


def _field(error: FieldError) -> str:
    return ".".join(map(str, error.loc))


@dataclass(frozen=True)
class Validated:
    """The accepted rows with their places in the chunk, and the others."""

    places: NDArray[np.intp]
    batch: Batch
    rejected: list[Rejection]


class ChunkValidator:
    """Validates chunks by one contract."""

    def __init__(self, contract: Contract, validator: Validator) -> None:
        self._names = contract.names
        self._validator = validator
        self._encoders = {feature.name: ColumnEncoder(feature) for feature in contract.inputs}

    def table(self, chunk: TableChunk) -> Validated:
        """The rows of a Parquet file."""
        columns = {name: chunk.column(name) for name in self._names}
        encoded = [self._encoders[name].arrow(columns[name]) for name in self._names]

        def row(at: int) -> dict[str, Any]:
            return {name: json_value(column[at].as_py()) for name, column in columns.items()}

        return self._assembled(encoded, row)

    def lines(self, chunk: CsvChunk) -> Validated:
        """The lines of a CSV file; one of another width is an error of its own."""
        width = len(chunk.columns)
        whole = [at for at, line in enumerate(chunk.lines) if len(line) == width]
        if len(whole) < len(chunk.lines):
            rest = sorted(set(range(len(chunk.lines))) - set(whole))
            # The index of a frame is no value of the row.
            skip = int(chunk.columns[0] == "")
            texts = [width_text(width - skip, len(chunk.lines[at]) - skip) for at in rest]
            wrong = [
                Rejection(at, "contract", (("", text),))
                for at, text in zip(rest, texts, strict=True)
            ]
            if not whole:
                return Validated(np.array([], dtype=np.intp), self._nothing(), wrong)
            inner = self.lines(chunk.taken(whole))
            kept = [Rejection(whole[one.at], one.reason, one.errors) for one in inner.rejected]
            rejected = sorted([*wrong, *kept], key=lambda one: one.at)
            return Validated(np.array(whole)[inner.places], inner.batch, rejected)
        cells = {name: chunk.cells(name) for name in self._names}
        encoded = [self._encoders[name].cells(cells[name]) for name in self._names]

        def row(at: int) -> dict[str, Any]:
            return {name: self._encoders[name].cell(column[at]) for name, column in cells.items()}

        return self._assembled(encoded, row)

    def documents(self, chunk: JsonChunk) -> Validated:
        """The lines of a JSON Lines file, each a row by name or by position."""
        rows, rejected, places = [], [], []
        for at, line in enumerate(chunk.lines):
            try:
                rows.append(chunk.row(parse(line)))
                places.append(at)
            except RequestError as error:
                rejected.append(Rejection.of(at, error))
        batch = self._valid_documents(rows)
        if batch is not None:
            return Validated(np.array(places, dtype=np.intp), batch, rejected)
        batches, kept = [], []
        for at, row in zip(places, rows, strict=True):
            try:
                batches.append(self._validator.batch([row], [()], 1))
                kept.append(at)
            except RequestError as error:
                rejected.append(Rejection.of(at, error))
        rejected.sort(key=lambda one: one.at)
        return Validated(np.array(kept, dtype=np.intp), self._joined(batches), rejected)

    def _valid_documents(self, rows: list[Any]) -> Batch | None:
        """All rows at once; None if one has to be looked at."""
        names = self._names
        if not rows or not all(type(row) is dict and len(row) == len(names) for row in rows):
            return None
        try:
            values = [[row[name] for name in names] for row in rows]
        except KeyError:
            return None
        return self._validator.valid_rows(values)

    def _assembled(self, encoded: Sequence[Encoded], row: Callable[[int], Any]) -> Validated:
        """A Batch of encoded columns, after the Validator has decided about uncertain rows."""
        certain = np.logical_and.reduce([column.certain for column in encoded])
        matrix = np.empty((len(certain), len(encoded)), dtype=np.float64)
        for index, column in enumerate(encoded):
            matrix[:, index] = column.numbers
        texts = {
            name: column.texts
            for name, column in zip(self._names, encoded, strict=True)
            if column.texts is not None
        }
        rejected = []
        for at in np.flatnonzero(~certain).tolist():
            try:
                one = self._validator.batch([row(at)], [()], 1)
            except RequestError as error:
                rejected.append(Rejection.of(at, error))
                continue
            certain[at] = True
            matrix[at] = one.matrix[0]
            for name, values in one.text.items():
                texts[name][at] = values[0]
        places = np.flatnonzero(certain)
        batch = Batch(matrix, texts)
        return Validated(places, taken(batch, places) if rejected else batch, rejected)

    def _nothing(self) -> Batch:
        return Batch(np.empty((0, len(self._names))))

    def _joined(self, batches: list[Batch]) -> Batch:
        if not batches:
            return self._nothing()
        text = {name: [batch.text[name][0] for batch in batches] for name in batches[0].text}
        return Batch(np.concatenate([batch.matrix for batch in batches]), text)
