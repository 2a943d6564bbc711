"""The output tensors of a model in V2: names, datatypes, shapes, and how to read their elements.

| output | shape of a row | of |
|---|---|---|
| `predict` | `[]`, or `[targets]` | all but transformers |
| `transform` | `[width]` | transformers |
| `predict_proba` | `[classes]` | a model with probabilities |
| `predict_proba_<target>` | `[classes]` | each target, if there are several |
| `decision_function`, `score_samples` | `[]`, `[width]` or `[targets]` | a model with scores |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.protocols.answers import PREDICT, PREDICT_PROBA, TRANSFORM
from app.protocols.tensors import BOOL, BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.model.contract import Label, Output
    from app.model.prediction import Prediction

NUMBER = "FP64"


@dataclass(frozen=True)
class OutputTensor:
    """One output; `shape` is that of a row, `read` gives the elements of all rows, flat."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    read: Callable[[Prediction], list[Any]]


def output_tensors(output: Output) -> list[OutputTensor]:
    """All outputs of a model, the answer itself first."""
    return [_answer(output), *_probabilities(output), *_scores(output)]


def _answer(output: Output) -> OutputTensor:
    if output.kind == "transformer":
        shape = (output.width or 0,)
        return OutputTensor(TRANSFORM, NUMBER, shape, lambda prediction: _flat(prediction.values))
    classes = [part.classes for part in output.parts]
    datatype = NUMBER if output.is_numeric else _label_datatype(classes)
    if not output.targets:
        return OutputTensor(PREDICT, datatype, (), lambda prediction: prediction.values)
    shape = (len(output.targets),)
    return OutputTensor(
        PREDICT,
        datatype,
        shape,
        lambda prediction: _flat([row.values() for row in prediction.values]),
    )


def _probabilities(output: Output) -> list[OutputTensor]:
    tensors = []
    for part, columns in zip(output.parts, output.class_slices, strict=False):
        name = f"{PREDICT_PROBA}_{part.name}" if output.targets else PREDICT_PROBA
        shape = (len(part.classes or ()),)
        tensors.append(OutputTensor(name, NUMBER, shape, _columns(columns)))
    return tensors


def _columns(columns: slice) -> Callable[[Prediction], list[Any]]:
    def read(prediction: Prediction) -> list[Any]:
        found = prediction.probabilities
        return [] if found is None else found[:, columns].ravel().tolist()

    return read


def _scores(output: Output) -> list[OutputTensor]:
    if output.scores is None:
        return []

    def read(prediction: Prediction) -> list[Any]:
        return [] if prediction.scores is None else prediction.scores.ravel().tolist()

    shape = () if output.width is None else (output.width,)
    return [OutputTensor(output.scores, NUMBER, shape, read)]


def _flat(rows: list[Any]) -> list[Any]:
    return [value for row in rows for value in row]


def _label_datatype(classes: list[tuple[Label, ...] | None]) -> str:
    """The datatype that all labels have; BYTES for labels of several types."""
    kinds = {type(label) for listed in classes for label in listed or ()}
    datatypes: dict[type, str] = {int: "INT64", float: NUMBER, bool: BOOL}
    return datatypes.get(kinds.pop(), BYTES) if len(kinds) == 1 else BYTES
