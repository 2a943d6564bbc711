"""The columns of a part that explain its predictions: what /explain answers for each row alone.

`base`, `contribution_<feature>` and `standard_error`; `base` and contributions once for each number
that is explained, named as the columns of probabilities or scores are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from app.batch.answers import explained_labels, name_of
from app.batch.validation import Rejection, Validated
from app.errors import RequestError
from app.model.background import explained_features
from app.model.explainer import MAX_NUMBERS
from app.model.gaps import taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from app.batch.model import Model
    from app.model.contract import Contract
    from app.model.explainer import Explainer
    from app.model.validation import Batch

BASE, CONTRIBUTION, ERROR = "base", "contribution", "standard_error"
# Key of the metadata of a part's schema.
METADATA = b"ml-model.explanation"
# Rows that are explained before they are written; fewer where a row has many numbers.
MAX_ROWS = 256


@dataclass(frozen=True)
class Explained:
    """Some rows of a chunk: which of the predicted ones, and their columns; others are refused."""

    kept: NDArray[np.intp]
    columns: list[Any]
    refused: list[Rejection]
    rows: int


class ChunkExplainer:
    """Explains the predicted rows of chunks by one loaded model."""

    def __init__(self, model: Model, explainer: Explainer) -> None:
        output = model.contract.output
        self._engine, self._explainer = model.engine, explainer
        self._about = {
            "of": output.explained,
            "method": explainer.plan.method,
            "background_rows": explainer.background_rows,
            "permutations": explainer.permutations if explainer.plan.method == "sampled" else None,
        }
        self._columns = columns_of(model.contract)
        self.fields = fields_of(model.contract)
        self._rows = max(1, min(MAX_ROWS, MAX_NUMBERS // len(self.fields)))

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """For the schema: how it was explained, and which feature and number a column is of."""
        columns = dict(self._columns)
        return {METADATA: orjson.dumps({**self._about, "columns": columns})}

    def explain(self, done: Validated) -> Iterator[Explained]:
        """Explain predicted rows, a few at a time: a chunk of many numbers is never held whole."""
        for first in range(0, len(done.places), self._rows):
            places = np.arange(first, min(first + self._rows, len(done.places)))
            yield self._explained(done, places)

    def _explained(self, done: Validated, places: NDArray[np.intp]) -> Explained:
        numbers = np.empty((len(places), len(self.fields)))
        kept: list[int] = []
        refused: list[Rejection] = []
        for at in places.tolist():
            try:
                numbers[len(kept)] = self._row(taken(done.batch, np.array([at])))
            except RequestError as error:
                refused.append(Rejection.of(int(done.places[at]), error))
            else:
                kept.append(at)
        columns = [pa.array(column) for column in numbers[: len(kept)].T.copy()]
        return Explained(np.array(kept, dtype=np.intp), columns, refused, len(places))

    def _row(self, row: Batch) -> NDArray[np.float64]:
        """One row as the service answers it alone: the last digits of some engines depend on that.

        Raises RequestError if the model refuses a mix of the row and the background.
        """
        (found,) = self._explainer.explain(row, self._engine.predict(row), lambda: None)
        values = found.contributions.values
        return np.concatenate([found.base, values.ravel(), [found.contributions.error]])


def columns_of(contract: Contract) -> list[tuple[str, dict[str, Any]]]:
    """Each column by its name, and which feature, target, class or place it is of."""
    labels = explained_labels(contract.output)
    columns = [(name_of(BASE, label), label) for label in labels]
    for at in explained_features(contract):
        feature = contract.names[at]
        columns += [
            (name_of(f"{CONTRIBUTION}_{feature}", label), {"feature": feature, **label})
            for label in labels
        ]
    return [*columns, (ERROR, {})]


def fields_of(contract: Contract) -> list[Any]:
    """The Arrow fields of explanations."""
    return [pa.field(name, pa.float64()) for name, _ in columns_of(contract)]
