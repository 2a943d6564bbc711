"""Rows -> the key of their prediction.

Two batches have the same key only if the engine cannot tell them apart: every bit of the encoded
matrix counts (0.0 and -0.0 differ, so does a missing number), its shape, and the texts of open
columns, in order. The whole batch is the unit: sums of floats depend on what is summed together, so
a row of one batch may get another last digit than the same row alone.
"""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING

import numpy as np

from app import __version__
from app.model.sklearn_engine import installed_version

if TYPE_CHECKING:
    from app.model.bundle import Bundle
    from app.model.validation import Batch

# Of the key and of an entry: a change of either is a new one.
FORMAT = 1
KEY_BYTES = 32
# What blake2b takes.
MAX_SECRET_BYTES = hashlib.blake2b.MAX_KEY_SIZE


def scope(bundle: Bundle) -> bytes:
    """What changes an answer beside the rows: the bundle, and what computes with it here.

    Another version of a library, or another kind of processor, may compute another last digit.
    """
    libraries = bundle.manifest["environment"]["libraries"]
    versions = [f"{name}={installed_version(name)}" for name in sorted(libraries)]
    parts = [str(FORMAT), bundle.digest, __version__, platform.machine(), *versions]
    return "\0".join(parts).encode()


class Keys:
    """Keys of the batches of one bundle."""

    def __init__(self, scope: bytes, secret: bytes = b"") -> None:
        """With a secret nobody else can tell which rows a key belongs to."""
        self._begun = hashlib.blake2b(key=secret, digest_size=KEY_BYTES, person=b"ml-cache-key")
        self._begun.update(len(scope).to_bytes(8, "little") + scope)

    def of(self, batch: Batch) -> bytes:
        """The key of these rows."""
        found = self._begun.copy()
        matrix = np.ascontiguousarray(batch.matrix, dtype="<f8")
        rows, columns = matrix.shape
        found.update(rows.to_bytes(8, "little") + columns.to_bytes(8, "little"))
        found.update(matrix.data)
        for name, texts in batch.text.items():
            found.update(_sized(name))
            found.update(b"".join(b"\0" if text is None else _sized(text) for text in texts))
        return found.digest()


def _sized(text: str) -> bytes:
    """A text with its length before it, so that no two lists of texts read the same."""
    # A lone surrogate is no Unicode, and yet another text than any other.
    data = text.encode("utf-8", "surrogatepass")
    return b"\1" + len(data).to_bytes(8, "little") + data
