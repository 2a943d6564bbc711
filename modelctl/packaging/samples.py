"""Read a sample from a file; for CSV, with the types that the model was fitted on.

CSV has no types: pandas infers them, and reads the category "None" as a missing value and the code
"007" as a number. The categories that encoders were fitted on take precedence.
"""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, Any

import pandas as pd

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The values that pandas.read_csv reads as missing, from its documentation.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "-NaN", "-nan")
) | frozenset(("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"))

# Other separators than commas, as spreadsheets and databases write.
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SHOWN_LINES = 20


def read_sample(path: Path, texts: Callable[[list[str]], dict[str, list[str]]]) -> pd.DataFrame:
    """The rows of a CSV or Parquet file. Raises ModelctlError.

    `texts`: of the file's columns, those of strings, each with the values that must not be read as
    missing.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ModelctlError(
            f"unknown file format: {path}",
            expected="extension .csv or .parquet",
            found=path.suffix or "no extension",
        )
    try:
        frame = _csv(path, texts) if suffix == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise ModelctlError(
            f"{path} cannot be read: Parquet support is not installed",
            found=str(error).splitlines()[0][:200],
            fix="pip install pyarrow (dependency group `parquet`), or write the sample as CSV",
        ) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except (OSError, ValueError) as error:
        raise ModelctlError(f"{path} cannot be read", found=str(error)[:500]) from error
    if frame.empty:
        raise ModelctlError(f"{path} has no rows", expected="rows of the training data")
    return frame


def _require_commas(path: Path, header: list[str]) -> None:
    """Raise ModelctlError for other separators: pandas would read one column of all values."""
    if len(header) > 1:
        return
    with path.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in itertools.islice(stream, SHOWN_LINES) if line.strip()]
    for separator, name in SEPARATORS.items():
        widths = {len(row) for row in csv.reader(lines, delimiter=separator)}
        if len(widths) == 1 and min(widths) > 1:
            decimal = ", decimal=','" if separator == ";" else ""
            raise ModelctlError(
                f"{path} has its columns separated by {name}",
                expected="commas between the columns",
                found=header[0][:100],
                fix=f"`pandas.read_csv({str(path)!r}, sep={separator!r}{decimal})`, then "
                "`.to_csv('sample.csv', index=False)`",
            )


def _not_utf8(path: Path, error: UnicodeDecodeError) -> ModelctlError:
    with path.open("rb") as stream:
        head = stream.read(2)
    encoding = "UTF-16" if head in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
    return ModelctlError(
        f"{path} is not UTF-8",
        expected="a CSV file in UTF-8",
        found=f"byte 0x{error.object[error.start]:02x}, as {encoding} has it",
        fix=f"`iconv -f {encoding} -t UTF-8 {path} > sample.csv`",
    )


def _csv(path: Path, texts_of: Callable[[list[str]], dict[str, list[str]]]) -> pd.DataFrame:
    header = list(map(str, pd.read_csv(path, nrows=0).columns))
    _require_commas(path, header)
    texts = texts_of(header)
    options: dict[str, Any] = {"dtype": dict.fromkeys(texts, "str")} if texts else {}
    if any(MISSING.intersection(values) for values in texts.values()):
        kept = {name: set(values) for name, values in texts.items()}
        na_values = {name: sorted(MISSING - kept.get(name, set())) for name in header}
        options |= {"keep_default_na": False, "na_values": na_values}
    frame: pd.DataFrame = pd.read_csv(path, **options)
    return frame
