"""The estimator itself, asked with rows as it was fitted: what every engine is compared with.

A request is decoded by `app`; here the rows stay what was read from the file, so that a mistake in
decoding cannot agree with itself; what the estimator answers is read by `answers`, which shares no
code with the engines.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.prediction import ModelOutputError, Prediction
from app.model.sklearn_engine import fitted_names
from modelctl.errors import ModelctlError
from modelctl.packaging import answers
from modelctl.packaging.fitted_steps import uses_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from app.model.contract import Form, Output

# Calls to find rows that are refused, at most; what is not told apart by then is left out.
MAX_CALLS = 200


class RefusedRowsError(Exception):
    """The estimator raised an error; `cause` is its first line."""

    def __init__(self, error: Exception) -> None:
        self.original = error
        text = str(error).strip().splitlines()
        self.cause = f"{type(error).__name__}: {text[0] if text else ''}"[:500]
        super().__init__(self.cause)


@dataclass(frozen=True)
class Oracle:
    """A fitted estimator and the form of the rows that it was fitted on."""

    estimator: Any
    form: Form

    def given(self, frame: pd.DataFrame) -> Any:
        """The rows as the estimator takes them: a frame, an array, or a Series of texts."""
        if self.form == "texts":
            return frame.iloc[:, 0]
        return frame.to_numpy() if self.form == "array" else frame

    def predict(self, frame: pd.DataFrame, output: Output) -> Prediction:
        """Raises RefusedRowsError if the estimator raises anything or a number is not finite.

        And ModelOutputError if it does not answer row by row, or what its output does not have.
        """
        prediction: Prediction = self._read(answers.read, frame, output)
        return prediction

    def tell(self, frame: pd.DataFrame, output: Output) -> Prediction:
        """The numbers from which the labels follow, where there are any: half of the work.

        `values` is then empty. Raises what `predict` raises.
        """
        if output.probabilities:
            return Prediction([], self._read(answers.probabilities_of, frame, output))
        if output.scores:
            return Prediction([], None, self._read(answers.scores_of, frame, output))
        return self.predict(frame, output)

    def _read(self, reader: Callable[..., Any], frame: pd.DataFrame, output: Output) -> Any:
        rows = self.given(frame)
        with _without_warnings():
            try:
                return reader(self.estimator, rows, len(frame), output)
            except ModelOutputError:
                raise
            except Exception as error:  # a pipeline runs whatever its steps do
                raise RefusedRowsError(error) from error

    def accepts(self, frame: pd.DataFrame) -> bool:
        """Whether the estimator answers all of these rows, each with a finite answer."""
        with _without_warnings():
            rows = self.given(frame)
            # `predict_proba` of some metaestimators is there and fails for every row.
            methods = ("predict_proba", "predict", "transform")
            own = [method for method in methods if hasattr(self.estimator, method)]
            return any(self._answers(method, rows, len(frame)) for method in own[:2])

    def _answers(self, method: str, rows: Any, count: int) -> bool:
        try:
            answer = getattr(self.estimator, method)(rows)
            # Probabilities of several targets: a matrix for each.
            is_several = answers.first_matrix(answer) is not answer
            parts = map(answers.array, answer if is_several else [answer])
            return all(
                len(part) == count and not (part.dtype.kind in "fc" and not np.isfinite(part).all())
                for part in parts
            )
        except Exception:  # the answer to the question
            return False

    def row_count(self, frame: pd.DataFrame) -> int | None:
        """How many answers these rows get; None if the estimator raises anything."""
        method = "predict" if hasattr(self.estimator, "predict") else "transform"
        with _without_warnings():
            try:
                answer = getattr(self.estimator, method)(self.given(frame))
                return int(np.shape(answers.array(answer))[0])
            except Exception:  # refused: asked elsewhere
                return None

    def accepted(self, frame: pd.DataFrame, calls: int = MAX_CALLS) -> list[bool | None]:
        """For each row whether it is answered; None if that would take more calls."""
        answers: list[bool | None] = [None] * len(frame)
        pending = [(0, len(frame))] if len(frame) else []
        while pending and calls:
            # The widest first: it settles the most rows.
            pending.sort(key=lambda part: part[1] - part[0])
            start, end = pending.pop()
            calls -= 1
            if self.accepts(frame.iloc[start:end]):
                answers[start:end] = [True] * (end - start)
            elif end - start == 1:
                answers[start] = False
            else:
                middle = (start + end) // 2
                pending += [(start, middle), (middle, end)]
        return answers


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignore warnings by a single filter: scikit-learn sets every one anew for each tree."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        yield


def oracle_of(estimator: Any, frame: pd.DataFrame) -> tuple[Oracle, pd.DataFrame]:
    """The estimator with the form of its rows, and the columns of the sample that it takes.

    An estimator that recorded names was fitted on a frame; one that recorded a number of columns,
    on an array; for any other, each form is tried. Raises ModelctlError.
    """
    if fitted_names(estimator) is not None:
        return Oracle(estimator, "frame"), frame
    if getattr(estimator, "n_features_in_", None) is not None:
        array, named = Oracle(estimator, "array"), Oracle(estimator, "frame")
        # A user's own first step may count its columns and still want them by name; and it may
        # answer a few rows in no form, or another number of them, which is said later.
        for rows in (frame.head(2), frame):
            if array.accepts(rows):
                return array, frame
            if named.accepts(rows):
                return named, frame
        counts_by_name = array.row_count(frame) is None and named.row_count(frame) is not None
        return named if counts_by_name else array, frame
    if len(frame.columns) > 1 and _reads_texts(estimator):
        frame = _only_texts(frame)
    forms: list[Form] = ["frame", "array"]
    if len(frame.columns) == 1:
        forms.insert(0 if _reads_texts(estimator) else 1, "texts")
    for form in forms:
        oracle = Oracle(estimator, form)
        # Two rows: a vectorizer that is given a frame answers its column names, one row.
        if oracle.accepts(frame.head(2)) and len(frame) > 1:
            return oracle, frame
    return Oracle(estimator, forms[0]), frame


def _reads_texts(estimator: Any) -> bool:
    """Whether the first step is fitted on one column of texts."""
    (use,) = uses_of(estimator, ["text"])
    return bool(use.vectorizer)


def _only_texts(frame: pd.DataFrame) -> pd.DataFrame:
    texts = [
        name
        for name, column in frame.items()
        if all(isinstance(value, str) for value in column.dropna())
    ]
    if len(texts) != 1:
        raise ModelctlError(
            "the model takes one column of texts, and the sample has several columns",
            expected="one column of strings besides the target",
            found=", ".join(map(str, frame.columns))[:300],
            fix="write a sample with the texts and the target only, or pass --target",
        )
    return frame[texts]
