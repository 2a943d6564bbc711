"""A prediction -> the columns of a part, named as `modelctl predict` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from app.model.contract import Output, Target
    from app.model.prediction import Prediction

PREDICTION = "prediction"
# Which of several numbers a column has: by `target`, `class` or `place`.
Label = dict[str, Any]


class AnswerWriter:
    """Writes the answers of one model as columns. `with_numbers`: probabilities or scores too."""

    def __init__(self, output: Output, *, with_numbers: bool) -> None:
        self._output = output
        self._has_probabilities = with_numbers and output.probabilities
        self._has_scores = with_numbers and output.scores is not None
        self.fields: list[Any] = [*self._answers(), *self._numbers()]

    def _answers(self) -> list[Any]:
        output = self._output
        if output.kind == "transformer":
            return [pa.field(f"{PREDICTION}_{part.name}", pa.float64()) for part in output.parts]
        if output.targets:
            return [pa.field(f"{PREDICTION}_{part.name}", _kind(part)) for part in output.parts]
        return [pa.field(PREDICTION, _kind(output.parts[0]))]

    def _numbers(self) -> list[Any]:
        output = self._output
        names: list[str] = []
        if self._has_probabilities:
            names += [name_of("probability", label) for label in _class_labels(output)]
        if self._has_scores:
            names += [name_of(output.score_name, label) for label in _score_labels(output)]
        return [pa.field(name, pa.float64()) for name in names]

    def columns(self, prediction: Prediction) -> list[Any]:
        """One Arrow array for each of `fields`."""
        values, output = prediction.values, self._output
        columns: list[Any]
        if output.kind == "transformer":
            columns = list(zip(*values, strict=True)) or [[] for _ in output.parts]
        elif output.targets:
            columns = [[value[part.name] for value in values] for part in output.targets]
        else:
            columns = [values]
        for numbers in self._matrices(prediction):
            columns += list(numbers.reshape(len(values), -1).T)
        return [
            pa.array(column, field.type) for column, field in zip(columns, self.fields, strict=True)
        ]

    def _matrices(self, prediction: Prediction) -> list[Any]:
        chosen = [
            (self._has_probabilities, prediction.probabilities),
            (self._has_scores, prediction.scores),
        ]
        return [numbers for is_chosen, numbers in chosen if is_chosen and numbers is not None]


def explained_labels(output: Output) -> list[Label]:
    """Of each number of a row that is explained, which one it is."""
    if output.probabilities:
        return _class_labels(output)
    if output.scores:
        return _score_labels(output)
    return [{"target": part.name} for part in output.targets] or [{}]


def name_of(prefix: str, label: Label) -> str:
    """The name of a column."""
    return "_".join([prefix, *map(str, label.values())])


def _class_labels(output: Output) -> list[Label]:
    return [
        ({"target": part.name} if output.targets else {}) | {"class": each}
        for part in output.parts
        for each in part.classes or ()
    ]


def _score_labels(output: Output) -> list[Label]:
    if output.width is None:
        return [{}]
    if output.targets:
        return [{"target": part.name} for part in output.targets]
    classes = output.classes or ()
    if len(classes) == output.width:
        return [{"class": each} for each in classes]
    return [{"place": at} for at in range(output.width)]


def _kind(part: Target) -> Any:
    """The Arrow type of a target's values."""
    kinds = {type(label) for label in part.classes or ()}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    return pa.string()
