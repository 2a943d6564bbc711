"""The names of targets, and classes as JSON has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from modelctl.errors import ModelctlError
from modelctl.packaging.answerable import last_step
from modelctl.packaging.answers import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.model.contract import Label

# Integers beyond this have no exact JSON equivalent in most clients.
MAX_LABEL = 2**53
# The default of `target`, which says nothing about several targets.
UNNAMED = "prediction"


def target_names(target: str | Sequence[str], count: int) -> list[str]:
    """The names of several targets: as given, or numbered. Raises ModelctlError."""
    if isinstance(target, str):
        stem = "target" if target in ("", UNNAMED) else target
        return [f"{stem}_{index}" for index in range(count)]
    names = list(map(str, target))
    if len(names) != count or len(set(names)) != count:
        raise ModelctlError(
            "the named targets are not those of the model",
            expected=f"{count} different names, in the order of the columns of y",
            found=f"{len(names)}: {', '.join(names)}"[:300],
            fix="correct `target:` in model.yaml (a list), or repeat --target for each",
        )
    return names


def clusters(estimator: Any, answer: NDArray[Any] | None) -> tuple[Label, ...]:
    """The numbers of the clusters, as far as the fitted attributes or answers tell."""
    inner = last_step(estimator)
    known: set[Any] = set(_listed(np.unique(answer))) if answer is not None else set()
    for attribute in ("subcluster_labels_", "labels_"):
        known.update(_listed(np.unique(np.asarray(getattr(inner, attribute, [])))))
    for attribute in ("cluster_centers_", "means_"):
        centers = getattr(inner, attribute, None)
        known.update(range(len(centers) if centers is not None else 0))
    return classes_of(np.array(sorted(known)))


def classes_of(values: Any) -> tuple[Label, ...]:
    """Classes as JSON has them. Raises ModelctlError."""
    array = np.asarray(values)
    classes = _listed(array) if array.dtype.kind in "biufUO" and array.ndim == 1 else []
    if not classes or not all(map(_is_label, classes)):
        raise ModelctlError(
            "the model's classes have no JSON equivalent",
            expected="`classes_` with strings, numbers or booleans",
            found=repr(array.tolist())[:200],
            fix="fit it on labels of one of those types",
        )
    return tuple(str(label) if isinstance(label, str) else label for label in classes)


def _is_label(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= MAX_LABEL)


def _listed(values: NDArray[Any]) -> list[Any]:
    """The values in Python's own types."""
    return [plain(value) for value in values.tolist()]
