"""Explanations of /explain as text: for each row what its features add, with bars, at 80 columns.

Of a class its own numbers are shown; of several targets each has a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Columns of a line: name and value, number, and half of the bar on each side of its middle.
LABEL, NUMBER, HALF = 32, 11, 15
# Eighths of a block, for bars that end between two columns.
EIGHTHS = " ▏▎▍▌▋▊▉"
MAX_FEATURES = 20


@dataclass(frozen=True)
class Part:
    """One explained number of a row: its name, base, answer and contributions by feature."""

    name: str
    base: float
    total: float
    added: dict[str, float]


def lines(number: int, row: dict[str, Any], answer: dict[str, Any], classes: Any) -> Iterator[str]:
    """The text of one row. `classes`: of /model/info, by target if there are several."""
    explanation = answer["explanation"]
    for part in parts(answer, classes):
        yield f"row {number}: {part.name} = {part.total:.4g}"
        yield _line("base, the mean of the background", f"{part.base:.4g}", "")
        by_size = sorted(part.added, key=lambda name: -abs(part.added[name]))
        widest = max(map(abs, part.added.values())) or 1.0
        for name in by_size[:MAX_FEATURES]:
            label = f"{name} = {_shown(row.get(name))}"
            yield _line(label, f"{part.added[name]:+.4g}", _bar(part.added[name] / widest))
        rest = by_size[MAX_FEATURES:]
        if rest:
            added = sum(part.added[name] for name in rest)
            yield _line(f"{len(rest)} more features", f"{added:+.4g}", "")
        if explanation["standard_error"]:
            yield f"  drawn, standard error at most {explanation['standard_error']:.2g}"
        yield ""


def parts(answer: dict[str, Any], classes: Any) -> Iterator[Part]:
    """The explained numbers that matter: of each target, and of a class only the predicted one."""
    explanation, prediction = answer["explanation"], answer["prediction"]
    base, added = explanation["base"], explanation["contributions"]
    what = explanation["of"]
    if not isinstance(base, dict):
        name = what if what == "prediction" else f"{what} of {prediction}"
        yield from _of_target(name, base, added, prediction, classes)
        return
    for target in base:
        of_target = {feature: form[target] for feature, form in added.items()}
        value = prediction[target]
        name = f"{what}, {target}" if what == "prediction" else f"{what} of {target} {value}"
        yield from _of_target(name, base[target], of_target, value, classes[target])


def _of_target(
    name: str, base: Any, added: dict[str, Any], value: Any, classes: Any
) -> Iterator[Part]:
    if not isinstance(base, list):
        yield Part(name, base, base + sum(added.values()), added)
        return
    is_per_class = classes is not None and len(classes) == len(base)
    for at in [classes.index(value)] if is_per_class else range(len(base)):
        own = {feature: numbers[at] for feature, numbers in added.items()}
        title = name if is_per_class else f"{name} ({at + 1} of {len(base)})"
        yield Part(title, base[at], base[at] + sum(own.values()), own)


def _line(label: str, number: str, bar: str) -> str:
    if len(label) > LABEL:
        label = f"{label[: LABEL - 3]}..."
    return f"  {label:<{LABEL}} {number:>{NUMBER}}  {bar}".rstrip()


def _bar(share: float) -> str:
    """A bar from the middle to the right, or of whole columns to the left; -1 <= share <= 1."""
    if share < 0:
        return f"{'█' * round(-share * HALF):>{HALF}}│"
    eighths = round(share * HALF * 8)
    return f"{'':>{HALF}}│{'█' * (eighths // 8)}{EIGHTHS[eighths % 8]}"


def _shown(value: Any) -> str:
    return (
        "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    )
