"""Codes such as 007 in a CSV file, which a step of the user's own may have been fitted on as texts.

pandas reads them as the numbers 7; scikit-learn's own steps have recorded what they were fitted on,
a custom step has not, and would answer for "7" where training had "007".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from modelctl.errors import ModelctlError
from modelctl.packaging.alignment import listed
from modelctl.packaging.fitted_steps import uses_of
from modelctl.packaging.input_rules import InputRule

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.packaging.input_rules import InputRules

LEADING_ZERO = r"\s*[+-]?0[0-9]"


def ensure_no_codes(path: Path, features: pd.DataFrame, estimator: Any, rules: InputRules) -> None:
    """Raise ModelctlError for such a column, unless model.yaml gives its type."""
    if path.suffix != ".csv":
        return
    names = list(map(str, features.columns))
    uses = zip(names, uses_of(estimator, names), strict=True)
    asked = [
        name
        for name, use in uses
        if use.custom
        and pd.api.types.is_numeric_dtype(features[name].dtype)
        and rules.inputs.get(name, InputRule()).dtype is None
    ]
    if not asked:
        return
    texts = pd.read_csv(path, usecols=asked, dtype="str")
    codes = [name for name in asked if texts[name].str.match(LEADING_ZERO).any()]
    if codes:
        example = texts[codes[0]][texts[codes[0]].str.match(LEADING_ZERO, na=False)].iloc[0]
        raise ModelctlError(
            f"{listed(codes)} of the sample may be codes or numbers",
            expected="a type in model.yaml: a step of your own reads it, and does not say which",
            found=f"{example.strip()!r}, which is {float(example):g} as a number",
            fix=f"write `inputs: {{{codes[0]}: {{dtype: string}}}}` into model.yaml (--config) if "
            "the model was fitted on texts, else `dtype: integer` or `float`; or write Parquet",
        )
