"""The categories that a fitted booster knows natively, from pandas' `category` dtype.

A pure function of the estimator: what reads a request has to restore the dtype, with the same
categories in the same order, for the library to find its codes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.lowering import lightgbm_trees, xgboost_trees
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.walk import kind, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence


def native_categories(estimator: Any, strings: Sequence[int] = ()) -> dict[int, tuple[Any, ...]]:
    """Fitted column -> the categories of that column in the library's order.

    Empty for an estimator that knows none: of another library, fitted without `category`, or one
    that is no single booster. CatBoost keeps none: it takes strings as they are. `strings` are the
    columns of the sample that hold strings, in order, which LightGBM's models do not tell by
    themselves in every case; a model that stays ambiguous gives an empty result.
    """
    estimator = unwrapped(estimator)
    while kind(estimator) == "Pipeline" and len(estimator.steps) == 1:
        estimator = unwrapped(estimator.steps[0][1])
    name = kind(estimator)
    try:
        if name.startswith("XGB"):
            return xgboost_trees.native_categories(estimator)
        if name.startswith("LGBM"):
            return lightgbm_trees.native_categories(estimator, strings)
    except CannotLowerError:
        return {}
    return {}
