"""What a sample's columns are to a fitted model of XGBoost, LightGBM or CatBoost.

They are fitted on pandas' `category` columns or, CatBoost, on strings. CSV has neither, and the
models tell of their columns in ways of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.exceptions import NotFittedError

from modelctl.errors import ModelctlError
from modelctl.packaging.custom_code import nested
from modelctl.packaging.lowering import catboost_trees, xgboost_trees
from modelctl.packaging.lowering.graph import CannotLowerError
from modelctl.packaging.lowering.native_categories import native_categories
from modelctl.packaging.lowering.walk import kind, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence


def ensure_intact_categories(estimator: Any) -> None:
    """Raise ModelctlError for a model that has lost the names of its categories."""
    for member in nested(estimator):
        if not kind(member).startswith("XGB"):
            continue
        try:
            xgboost_trees.native_categories(member)
        except xgboost_trees.DamagedCategoriesError as error:
            raise ModelctlError(
                f"{kind(member)} has damaged names of categories",
                expected="categories in ASCII: XGBoost up to 3.2 cuts others at the wrong byte, "
                "and answers values that training has not seen",
                found="a `category` column with a name outside ASCII",
                fix="encode it before XGBoost: fit a pipeline with OrdinalEncoder(handle_unknown="
                "'use_encoded_value', unknown_value=-1) or OneHotEncoder on that column",
            ) from error
        except (CannotLowerError, NotFittedError):
            continue


def with_categories(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns with native categories as those that the model knows, in its order."""
    strings = [at for at, (_, column) in enumerate(frame.items()) if _holds_strings(column)]
    columns: dict[str, Any] = {}
    for index, categories in native_categories(estimator, strings).items():
        if index in strings or not any(isinstance(value, str) for value in categories):
            name = str(frame.columns[index])
            columns[name] = _categorical(frame[name], categories)
    return frame.assign(**columns)


def known_texts(estimator: Any, frame: pd.DataFrame) -> dict[str, list[str]]:
    """The texts of the sample that splits of a CatBoost model compare with, by column.

    The model has hashes only. An unseen text is answered like one that no split names.
    """
    model = unwrapped(estimator)
    if not kind(model).startswith("CatBoost"):
        return {}
    known: dict[str, list[str]] = {}
    for index in map(int, model.get_cat_feature_indices()):
        column = frame.iloc[:, index]
        if _holds_strings(column):
            texts = sorted({str(value) for value in column.dropna()})
            known[str(frame.columns[index])] = catboost_trees.known_texts(model, index, texts)
    return known


def _categorical(column: pd.Series[Any], categories: Sequence[Any]) -> Any:
    known = set(categories)
    others = dict.fromkeys(value for value in column.dropna() if value not in known)
    return pd.Categorical(column.astype(object), categories=[*categories, *others])


def _holds_strings(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return all(isinstance(value, str) for value in column.dtype.categories)
    return bool(pd.api.types.is_string_dtype(column)) and bool(column.notna().any())
