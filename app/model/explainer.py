"""Explain a prediction: what each feature adds to it, against the background of the bundle.

Through the same engine as predictions, in calls of bounded size between which the deadline is
checked. A row is explained by itself and draws by its own values, so that it gets the same answer
alone, among others, and again.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from app.errors import BundleRefusedError, RequestError
from app.model import shapley
from app.model.background import explained_features
from app.model.gaps import taken
from app.model.validation import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.model.background import Background
    from app.model.contract import Contract, Output
    from app.model.prediction import Engine, Prediction
    from app.model.shapley import Contributions

Method = Literal["closed-form", "exact", "sampled"]
# Rows of one call of the engine. Not by its speed: some libraries' last digits depend on it.
CALL_ROWS = 256
# Bounds of one request: the rows that the engine predicts for it, and the numbers of its answer.
MAX_EVALUATIONS = 1_000_000
MAX_NUMBERS = 200_000


@dataclass(frozen=True)
class Explanation:
    """Of one row: `base` [outputs] plus the `contributions` [features, outputs] is its answer."""

    base: NDArray[np.float64]
    contributions: Contributions


def explained_numbers(output: Output, prediction: Prediction) -> NDArray[np.float64]:
    """The numbers of that part, [rows, outputs]."""
    numbers = prediction.probabilities if output.probabilities else prediction.scores
    if numbers is None:
        values = prediction.values
        if output.targets:
            values = [[row[target.name] for target in output.targets] for row in values]
        numbers = np.array(values, dtype=np.float64)
    return numbers.reshape(len(prediction.values), -1)


def output_count(output: Output) -> int:
    """How many numbers of a row are explained."""
    if output.probabilities:
        return sum(len(part.classes or ()) for part in output.parts)
    return output.width or len(output.parts)


@dataclass(frozen=True)
class Plan:
    """How a model is explained, and what a row costs in predicted rows."""

    method: Method
    evaluations: int

    @classmethod
    def of(cls, features: int, rows: int, permutations: int, *, additive: bool) -> Plan:
        """The cheapest way that is exact, else drawn orders."""
        every = shapley.exact_evaluations(features)
        drawn = shapley.sampled_evaluations(features, permutations)
        if additive:
            return cls("closed-form", features)
        if every <= drawn:
            return cls("exact", rows * every)
        return cls("sampled", rows * drawn)


class Explainer:
    """The explanations of one loaded model; `prepare` completes it in each worker."""

    def __init__(self, engine: Engine, contract: Contract, background: Background) -> None:
        self._engine, self._output = engine, contract.output
        self._background = background
        self.background_rows, self.permutations = len(background.rows), background.permutations
        columns = explained_features(contract)
        self._columns = np.array(columns)
        # Of features with texts of their own: the place among the explained ones, by name.
        names = [contract.names[at] for at in columns]
        self._texts = {
            name: names.index(name)
            for name in (entry.name for entry in contract.inputs if entry.is_open)
            if name in names
        }
        self._held = [at for at, entry in enumerate(contract.inputs) if entry.sensitive]
        self.features = names
        self.plan = Plan.of(
            len(names),
            self.background_rows,
            self.permutations,
            additive=background.additive,
        )
        self._start: NDArray[np.float64] | None = None
        # Of one row in a call of many.
        self.seconds_per_evaluation = 0.0

    def prepare(self, row: Batch) -> None:
        """Ask the engine about the background, with one valid row to go by, and take its time."""
        started = time.perf_counter()
        self._example = row
        start = self._answers(self._around(row))
        self.seconds_per_evaluation = (time.perf_counter() - started) / len(start)
        if not self._held:
            self._start = start

    def warm_up(self, row: Batch) -> None:
        """Prepare a bundle that was packaged to be explained. Raises BundleRefusedError."""
        try:
            self.prepare(row)
        except RequestError as error:
            raise BundleRefusedError(
                "the model refuses a row of the background of explanations",
                expected="an answer, as at packaging",
                found=error.title,
                fix="use an image with the library versions that the manifest lists",
            ) from error

    @property
    def evaluations(self) -> int:
        """The rows that the engine predicts to explain one."""
        return self.plan.evaluations + (self.background_rows if self._held else 0)

    @property
    def expected_seconds(self) -> float:
        """Estimated time to explain a row, from the measurement of `prepare`."""
        return self.evaluations * self.seconds_per_evaluation

    @property
    def max_rows(self) -> int:
        """Rows of one request, by what they cost and by the size of the answer."""
        numbers = (len(self.features) + 1) * output_count(self._output)
        return max(1, min(MAX_EVALUATIONS // max(1, self.evaluations), MAX_NUMBERS // numbers))

    def explain(
        self, batch: Batch, prediction: Prediction, check: Callable[[], None]
    ) -> list[Explanation]:
        """Explain the prediction of each row. `check` raises when time is up.

        Raises RequestError 422 if the model refuses a mix of a row and the background.
        """
        ends = explained_numbers(self._output, prediction)
        return [
            self._row(taken(batch, np.array([at])), ends[at], check) for at in range(len(batch))
        ]

    def _row(self, row: Batch, end: NDArray[np.float64], check: Callable[[], None]) -> Explanation:
        around = self._around(row)
        start = self._answers(around, check) if self._start is None else self._start

        def evaluate(masks: NDArray[np.bool_], at: NDArray[np.intp]) -> NDArray[np.float64]:
            answers = []
            for first in range(0, len(at), CALL_ROWS):
                part = slice(first, first + CALL_ROWS)
                own = taken(row, np.zeros(len(at[part]), dtype=np.intp))
                mixed = self._mixed(masks[part], own, taken(around, at[part]))
                answers.append(self._answers(mixed, check))
            return np.concatenate(answers)

        count = len(self.features)
        if self.plan.method == "closed-form":
            found = shapley.additive(evaluate, start[0], self._offsets, count)
        elif self.plan.method == "exact":
            found = shapley.exact(evaluate, start, end, count)
        else:
            random = np.random.default_rng(_seed(row))
            found = shapley.sampled(evaluate, start, end, count, self.permutations, random)
        return Explanation(start.mean(axis=0), found)

    @cached_property
    def _offsets(self) -> NDArray[np.float64]:
        """Of an additive model: the mean over the background of what each feature adds to row 0.

        Only a request for an explanation needs it, so it does not delay the start.
        """
        around = self._around(self._example)
        first = taken(around, np.zeros(len(around), dtype=np.intp))
        base = self._answers(first)
        offsets = []
        for each in np.eye(len(self.features), dtype=bool):
            mask = np.tile(each, (len(around), 1))
            added = self._answers(self._mixed(mask, around, first)) - base
            offsets.append(added.mean(axis=0))
        return np.stack(offsets)

    def _around(self, row: Batch) -> Batch:
        """The background as a row sees it: with its own values of the sensitive features."""
        rows = self._background.rows
        if not self._held:
            return rows
        matrix = rows.matrix.copy()
        matrix[:, self._held] = row.matrix[0, self._held]
        text = {
            name: texts if name in self._texts else row.text[name] * len(rows)
            for name, texts in rows.text.items()
        }
        return Batch(matrix, text)

    def _mixed(self, masks: NDArray[np.bool_], own: Batch, others: Batch) -> Batch:
        """Rows that have the masked features from `own`, all else from `others`."""
        matrix = others.matrix.copy()
        columns = self._columns
        matrix[:, columns] = np.where(masks, own.matrix[:, columns], matrix[:, columns])
        text = dict(others.text)
        for name, place in self._texts.items():
            pairs = zip(masks[:, place].tolist(), own.text[name], others.text[name], strict=True)
            text[name] = [mine if is_mine else other for is_mine, mine, other in pairs]
        return Batch(matrix, text)

    def _answers(
        self, batch: Batch, check: Callable[[], None] = lambda: None
    ) -> NDArray[np.float64]:
        """The explained numbers of many rows, [rows, outputs]."""
        parts = []
        for first in range(0, len(batch), CALL_ROWS):
            check()
            rows = np.arange(first, min(first + CALL_ROWS, len(batch)))
            try:
                prediction = self._engine.predict(taken(batch, rows))
            except RequestError as error:
                raise _unanswered() from error
            parts.append(explained_numbers(self._output, prediction))
        return np.concatenate(parts)


def _unanswered() -> RequestError:
    """422: the row itself has an answer, a mix of it with a row of the background has none.

    What the model says of it stays here: it may quote the background.
    """
    return RequestError(
        422,
        "not-explainable",
        "The prediction cannot be explained",
        "the model answers this row, but refuses a mix of it and a row of the background",
    )


def _seed(row: Batch) -> int:
    """The same for the same row, in whatever form it was sent and beside whatever others."""
    # Adding 0 makes -0.0 the 0.0 that it equals.
    values = repr(((row.matrix + 0.0).tolist(), sorted(row.text.items())))
    return int.from_bytes(hashlib.sha256(values.encode()).digest()[:8])
