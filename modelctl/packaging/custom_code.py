"""Finds classes and functions inside an estimator that no published library brings along.

The onnx engine does not need them once the model is translated; the sklearn engine needs their
code installed in the image, and says so early instead of failing in the pod.
"""

from __future__ import annotations

import types
from typing import Any

KNOWN = frozenset(
    {"sklearn", "numpy", "scipy", "pandas", "joblib", "builtins", "collections", "functools"}
)


def foreign_modules(estimator: Any) -> list[str]:
    """The modules, sorted, whose classes or functions the estimator holds and KNOWN lacks."""
    found: set[str] = set()
    seen: set[int] = set()
    pending = [estimator]
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | bool | None):
            continue
        seen.add(id(value))
        owner = value if isinstance(value, type | types.FunctionType) else type(value)
        module = str(getattr(owner, "__module__", "builtins"))
        if module.split(".")[0] not in KNOWN:
            found.add(module)
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple | set):
            pending.extend(value)
        elif hasattr(value, "get_params") and not isinstance(value, type):
            pending.extend(vars(value).values())
    return sorted(found)
