"""Reads a sample from a file, with the types that the model was fitted on where the file has none.

CSV has no types: pandas guesses, and takes the category "None" for a missing value and the code
"007" for a number. What encoders were fitted on is known, and wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

# What pandas.read_csv takes for a missing value, as its documentation lists it.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "-NaN", "-nan")
) | frozenset(("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"))


def read_sample(path: Path, texts: dict[str, list[str]]) -> pd.DataFrame:
    """The rows of a CSV or Parquet file; `texts` are columns of strings and values they must keep.

    Raises ModelctlError.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ModelctlError(
            f"{path} is no sample",
            expected="a file that ends in .csv or .parquet",
            found=path.suffix or "no ending",
        )
    try:
        frame = _csv(path, texts) if path.suffix == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise ModelctlError(
            f"{path} cannot be read: nothing here reads Parquet",
            found=str(error).splitlines()[0][:200],
            fix="pip install pyarrow (dependency group `parquet`), or write the sample as CSV",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelctlError(f"{path} cannot be read", found=str(error)[:500]) from error
    if frame.empty:
        raise ModelctlError(f"{path} has no rows", expected="rows as the model was trained on")
    return frame


def _csv(path: Path, texts: dict[str, list[str]]) -> pd.DataFrame:
    options: dict[str, Any] = {"dtype": dict.fromkeys(texts, "str")} if texts else {}
    if any(MISSING.intersection(values) for values in texts.values()):
        header = pd.read_csv(path, nrows=0).columns
        kept = {name: set(values) for name, values in texts.items()}
        marks = {name: sorted(MISSING - kept.get(str(name), set())) for name in header}
        options |= {"keep_default_na": False, "na_values": marks}
    frame: pd.DataFrame = pd.read_csv(path, **options)
    return frame
