"""Find what an estimator is made of: custom code, and libraries that not every image has.

The onnx engine needs neither once the model is translated. The sklearn engine needs both installed:
the libraries of BOOSTERS come with an image variant, custom code does not, which packaging reports
before the pod fails.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from app.model.sklearn_engine import BOOSTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLISHED = frozenset(
    {"sklearn", "numpy", "scipy", "pandas", "joblib", "builtins", "collections", "functools"}
)
# CatBoost's compiled module stands beside its package.
BOOSTER_MODULES = {**{name: name for name in BOOSTERS}, "_catboost": "catboost"}


def find_custom_code(estimator: Any) -> list[str]:
    """The modules, sorted, of the estimator's classes and functions from no known library."""
    known = PUBLISHED | BOOSTER_MODULES.keys()
    return sorted(name for name in _modules(estimator) if _root(name) not in known)


def find_boosters(estimator: Any) -> list[str]:
    """The libraries of BOOSTERS that the estimator needs, sorted."""
    roots = {_root(name) for name in _modules(estimator)}
    return sorted({BOOSTER_MODULES[root] for root in roots if root in BOOSTER_MODULES})


def _root(module: str) -> str:
    return module.partition(".")[0]


def _modules(estimator: Any) -> set[str]:
    """The modules of all classes and functions in an estimator and its nested ones."""
    modules: set[str] = set()
    for value in nested(estimator):
        owner = value if isinstance(value, type | types.FunctionType) else type(value)
        modules.add(str(getattr(owner, "__module__", "builtins")))
        # A class of the user's own may stand on a library's.
        modules.update(base.__module__ for base in _bases(owner) if _is_booster(base))
    return modules


def nested(estimator: Any) -> Iterator[Any]:
    """An estimator, and every estimator, function and other object inside it, once each."""
    seen: set[int] = set()
    pending = [estimator]
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | bool | None):
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, functools.partial):
            pending.extend([value.func, *value.args, *value.keywords.values()])
        elif isinstance(value, types.MethodType):
            pending.extend([value.__func__, value.__self__])
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple | set):
            pending.extend(value)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            # Members of an ensemble, such as an array of trees per stage.
            pending.extend(value.ravel().tolist())
        elif _is_part(value):
            pending.extend(vars(value).values())


def _is_part(value: Any) -> bool:
    """Whether it is an estimator, or an object in which scikit-learn keeps some."""
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return False
    return hasattr(value, "get_params") or _root(type(value).__module__) == "sklearn"


def _bases(owner: Any) -> tuple[type, ...]:
    return owner.__mro__ if isinstance(owner, type) else ()


def _is_booster(owner: type) -> bool:
    return _root(owner.__module__) in BOOSTER_MODULES
