"""Find classes and functions in an estimator that come from no published library.

The onnx engine does not need their code once the model is translated; the sklearn engine needs it
installed in the image, which packaging reports before the pod fails.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np

KNOWN = frozenset(
    {"sklearn", "numpy", "scipy", "pandas", "joblib", "builtins", "collections", "functools"}
)


def find_custom_code(estimator: Any) -> list[str]:
    """The modules, sorted, of the estimator's classes and functions that are not in KNOWN."""
    modules: set[str] = set()
    seen: set[int] = set()
    pending = [estimator]
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | bool | None):
            continue
        seen.add(id(value))
        if isinstance(value, functools.partial):
            pending.extend([value.func, *value.args, *value.keywords.values()])
        elif isinstance(value, types.MethodType):
            pending.extend([value.__func__, value.__self__])
        owner = value if isinstance(value, type | types.FunctionType) else type(value)
        module = str(getattr(owner, "__module__", "builtins"))
        if module.split(".")[0] not in KNOWN:
            modules.add(module)
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple | set):
            pending.extend(value)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            # Members of an ensemble, such as an array of trees per stage.
            pending.extend(value.ravel().tolist())
        elif hasattr(value, "get_params") and not isinstance(value, type):
            pending.extend(vars(value).values())
    return sorted(modules)
