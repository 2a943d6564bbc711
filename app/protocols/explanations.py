"""Explanations for the protocols: who may ask, for how many rows, and what they read as JSON.

Their numbers have the form that they have in an answer: a probability per class stays a list in
class order, several targets stay an object by target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import FieldError, RequestError
from app.model.validation import TOO_MANY_ROWS, contract_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.admission import Deadline
    from app.model.contract import Output
    from app.model.explainer import Explainer
    from app.model.prediction import Prediction
    from app.model.validation import Batch
    from app.protocols.call import Call


class Explanations:
    """The explanations of one loaded model; without an explainer, the refusal of each."""

    def __init__(self, explainer: Explainer | None, output: Output, max_rows: int) -> None:
        """`max_rows`: those of a prediction; explanations cost more, so they may have fewer."""
        self._explainer, self._output = explainer, output
        self._form = _form(output)
        self._max_rows = max_rows if explainer is None else min(max_rows, explainer.max_rows)

    def prepare(self, row: Batch) -> None:
        """Complete them in a worker, with one valid row to go by. Raises BundleRefusedError."""
        if self._explainer is not None:
            self._explainer.warm_up(row)

    def describe(self) -> dict[str, Any] | None:
        """What a client may know: how, of what and for how many rows; None if there are none."""
        explainer = self._explainer
        if explainer is None:
            return None
        is_sampled = explainer.plan.method == "sampled"
        return {
            "of": self._output.explained,
            "features": explainer.features,
            "method": explainer.plan.method,
            "background_rows": explainer.background_rows,
            "permutations": explainer.permutations if is_sampled else None,
            "evaluations": explainer.evaluations,
            "max_rows": self._max_rows,
        }

    def expected_seconds(self, rows: int) -> float:
        """Estimated time for so many rows; a refusal takes none."""
        if self._explainer is None:
            return 0.0
        return min(max(1, rows), self._max_rows) * self._explainer.expected_seconds

    def reader(self, read: Callable[[bytes], Call]) -> Callable[[bytes], Call]:
        """A protocol's `read`, for no more rows than one request may have explained.

        Raises RequestError 501 if the model is not explained at all.
        """
        explainer, limit = self._explainer, self._max_rows
        if explainer is None:
            raise self._refusal()

        def read_few(body: bytes) -> Call:
            call = read(body)
            if len(call.batch) > limit:
                text = (
                    f"expected 1 to {limit} rows, found {len(call.batch)}: a row costs "
                    f"{explainer.evaluations:,} predictions, send fewer at a time"
                )
                error = contract_error([FieldError((), text)])
                error.reason = TOO_MANY_ROWS
                raise error
            return call

        return read_few

    def add(self, batch: Batch, prediction: Prediction, deadline: Deadline) -> None:
        """Explain a prediction: `base` and `contributions` add up to the numbers in the answer.

        Raises RequestError 504 past the deadline, 422 if the model refuses a mix of rows.
        """
        explainer = self._explainer
        if explainer is None:
            raise self._refusal()
        prediction.explanations = [
            {
                "of": self._output.explained,
                "method": explainer.plan.method,
                "base": self._form(each.base.tolist()),
                "contributions": dict(
                    zip(
                        explainer.features,
                        map(self._form, each.contributions.values.tolist()),
                        strict=True,
                    )
                ),
                "standard_error": each.contributions.error,
            }
            for each in explainer.explain(batch, prediction, deadline.raise_if_passed)
        ]

    def _refusal(self) -> RequestError:
        """501 with the way to explanations, or that there is none for this kind of answer."""
        if self._output.explained is None:
            kind = self._output.kind
            detail = f"the answers of this {kind} are no numbers that features could add up to"
        else:
            detail = (
                "the bundle has no background rows: package the model with `modelctl package "
                "--explain`, or with `explain: true` in model.yaml"
            )
        return RequestError(501, "not-implemented", "This model is not explained", detail)


def _form(output: Output) -> Callable[[list[float]], Any]:
    """From the numbers of a row to the form that they have in an answer."""
    if output.targets and output.probabilities:
        parts = list(zip(output.targets, output.class_slices, strict=True))
        return lambda row: {target.name: row[part] for target, part in parts}
    if output.targets:
        names = [target.name for target in output.targets]
        return lambda row: dict(zip(names, row, strict=True))
    if output.probabilities or output.width is not None:
        return lambda row: row
    return lambda row: row[0]
