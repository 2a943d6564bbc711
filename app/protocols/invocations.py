"""MLflow's scoring protocol, /invocations: the same rows as /predict, or CSV; `predictions` out.

The URL is also SageMaker's. Predictions are those of the model's `predict`, as MLflow answers them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.protocols.answers import answer_name, rows_of
from app.protocols.call import Call
from app.protocols.csv_rows import CsvReader
from app.protocols.strict_json import parse
from app.responses import Reply, json_reply

if TYPE_CHECKING:
    from app.model.contract import Contract
    from app.model.prediction import Prediction
    from app.model.validation import Batch, Validator
    from app.protocols.rows import RowReader

CSV = "text/csv"


class Invocations:
    """MLflow's protocol for one loaded model."""

    def __init__(
        self,
        version: str,
        rows: RowReader,
        contract: Contract,
        validator: Validator,
        max_rows: int,
    ) -> None:
        self._version = version
        self._output = contract.output
        self._rows = rows
        self._csv = CsvReader(contract, validator, max_rows)

    def read(self, body: bytes) -> Call:
        """Read a JSON body. Raises RequestError."""
        batch, _ = self._rows.read(parse(body))
        return self._call(batch)

    def read_csv(self, body: bytes) -> Call:
        """Read a CSV body. Raises RequestError."""
        return self._call(self._csv.read(body))

    def _call(self, batch: Batch) -> Call:
        def write(prediction: Prediction, request_id: str) -> Reply:
            values = rows_of(prediction, self._output, answer_name(self._output))
            document = {"predictions": values, "model_version": self._version}
            return json_reply({**document, "request_id": request_id})

        return Call(batch, write)
