"""Name the format of a file that is not a pickle, from its first bytes, and the way to a pickle.

People have models in many formats, and files that only look like models: pointers of Git LFS, error
pages, archives. Reads bytes only; nothing in the file is run.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of a compressed file, enough to recognise a tar archive inside.
HEAD_BYTES = 1024
CONVERT = (
    "load the model with the library that wrote it, and write the fitted scikit-learn estimator "
    "with `joblib.dump(model, 'model.joblib')`"
)
OTHER_SERVER = (
    "this is not a scikit-learn model: choose another server (README.md, `Choose something else`)"
)
FITTED_PIPELINE = (
    "pass the fitted pipeline that it was made from: packaging translates it to ONNX itself and "
    "compares the predictions"
)
UNPACK = "unpack it, and pass the joblib or pickle file inside"
DOWNLOAD = "download the file itself: this is a page, possibly a login or an error"


@dataclass(frozen=True)
class Format:
    """What a file is, in words after "is", and what to do about it."""

    name: str
    fix: str


# First bytes -> format. Pickles begin otherwise, see `pickletools`.
MAGIC: Sequence[tuple[bytes, Format]] = (
    (
        b"version https://git-lfs.github.com/spec/",
        Format(
            "a pointer of Git LFS, not the model",
            "run `git lfs pull`; in a workflow check out with `lfs: true`",
        ),
    ),
    (
        b"/annex/objects/",
        Format("a pointer of git-annex, not the model", "run `git annex get` for it"),
    ),
    (
        b"outs:\n",
        Format("a DVC file, not the model", "run `dvc pull`, and pass the file that it names"),
    ),
    (b"\x89HDF\r\n\x1a\n", Format("an HDF5 file, as Keras writes", OTHER_SERVER)),
    (b"PAR1", Format("a Parquet file, not a model", "pass it with --sample, and the model first")),
    (b"\x93NUMPY", Format("a NumPy array, not a model", CONVERT)),
    (
        b"CBM1",
        Format(
            "a model in CatBoost's own format",
            "load it with `CatBoostClassifier().load_model(...)` or `CatBoostRegressor()`, and "
            "write that with `joblib.dump(model, 'model.joblib')`",
        ),
    ),
    (
        b"tree\nversion=",
        Format(
            "a model in LightGBM's own text format",
            "write the fitted `LGBMClassifier` or `LGBMRegressor` with joblib.dump instead",
        ),
    ),
    (b"RDX", Format("a file of R", CONVERT)),
    (b"RDA", Format("a file of R", CONVERT)),
    (b"GGUF", Format("a language model (GGUF)", OTHER_SERVER)),
    (b"SQLite format 3\x00", Format("an SQLite database, not a model", CONVERT)),
    (b"%PDF-", Format("a PDF document, not a model", "pass the joblib file")),
    (b"\x7fELF", Format("a program or shared library, not a model", "pass the joblib file")),
    (b"\x28\xb5\x2f\xfd", Format("compressed with zstd", "run `unzstd FILE`, and pass the result")),
)
ZIP_MAGIC = b"PK\x03\x04"
GZIP_MAGIC = b"\x1f\x8b"
TAR_MAGIC, TAR_AT = b"ustar", 257
# Texts, after white space; a text pickle (protocol 0) begins with none of these.
TEXTS: Sequence[tuple[tuple[str, ...], Format]] = (
    (("<!doctype html", "<html"), Format("an HTML page, not a model", DOWNLOAD)),
    (("<?xml", "<pmml"), Format("an XML document, such as PMML", CONVERT)),
    (
        ("{", "["),
        Format(
            "JSON, not a pickle",
            "a model in XGBoost's own format: load it with `XGBClassifier().load_model(...)` or "
            "`XGBRegressor()`, and write that with `joblib.dump(model, 'model.joblib')`",
        ),
    ),
    (
        ("import ", "from ", '"""', "#!", "def "),
        Format("source code, not a fitted model", "run it, and pass the file that it writes"),
    ),
)
# Members of a ZIP archive -> format: the first of which every name is the end of a member.
MEMBERS: Sequence[tuple[tuple[str, ...], Format]] = (
    (
        ("schema.json",),
        Format(
            "a skops file",
            "review what `skops.io.get_untrusted_types(file='FILE')` prints; if you trust it, "
            "`joblib.dump(skops.io.load('FILE', trusted=[...]), 'model.joblib')`",
        ),
    ),
    (("model.weights.h5",), Format("a Keras model", OTHER_SERVER)),
    (("data.pkl", "version"), Format("a PyTorch model", OTHER_SERVER)),
    (("constants.pkl",), Format("a TorchScript model", OTHER_SERVER)),
    ((".npy",), Format("NumPy arrays (.npz), not a model", CONVERT)),
    (("META-INF/MANIFEST.MF",), Format("a Java archive", OTHER_SERVER)),
    (("MLmodel",), Format("an archive of an MLflow model", UNPACK)),
)


def other_format(data: bytes) -> Format | None:
    """The format of a file that joblib cannot read; None for what may be a pickle."""
    for magic, known in MAGIC:
        if data.startswith(magic):
            return known
    if data.startswith(ZIP_MAGIC):
        return _zip(data)
    if _is_tar(data) or _is_tar(_gzip_head(data)):
        return Format("a tar archive, not a model", UNPACK)
    if data[4:8] == b"TFL3":
        return Format("a TensorFlow Lite model", OTHER_SERVER)
    if _is_onnx(data):
        return Format("an ONNX model", FITTED_PIPELINE)
    if _is_safetensors(data):
        return Format("a file of tensors (safetensors)", OTHER_SERVER)
    return _text(data[:HEAD_BYTES])


def _zip(data: bytes) -> Format:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        return Format("a truncated or damaged ZIP archive", "copy the file again")
    for ends, known in MEMBERS:
        if all(any(name.endswith(end) for name in names) for end in ends):
            return known
    return Format(f"a ZIP archive of {', '.join(names[:5]) or 'nothing'}", UNPACK)


def _gzip_head(data: bytes) -> bytes:
    if not data.startswith(GZIP_MAGIC):
        return b""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_tar(data: bytes) -> bool:
    return data[TAR_AT : TAR_AT + len(TAR_MAGIC)] == TAR_MAGIC


def _is_onnx(data: bytes) -> bool:
    """A protobuf that begins with `ir_version`, a small number, and no pickle opcode."""
    return data[:1] == b"\x08" and data[1:2] < b"\x40" and data[2:3] in (b"\x12", b"\x3a", b"\x42")


def _is_safetensors(data: bytes) -> bool:
    """Eight bytes of length, then a JSON object."""
    return data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data)


def _text(head: bytes) -> Format | None:
    try:
        text = head.decode("utf-8-sig").lstrip().lower()
    except UnicodeDecodeError:
        return None
    for starts, known in TEXTS:
        if text.startswith(starts):
            return known
    first = text.partition("\n")[0]
    if first.count(",") and first.isprintable():
        return Format("a text with commas, such as CSV", "pass it with --sample, the model first")
    return None
