"""Read what a pickle says about itself without running any of it.

An old or broken pickle cannot be loaded, but it names the classes it consists of, and scikit-learn
writes its version into the state of each estimator. Every class and function becomes a stand-in
that only remembers its name and its state. Reads pickles with arrays inside, as joblib writes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION_KEY = "_sklearn_version"
# Plain containers, and what joblib needs to know the length of an array: none of them runs code.
SAFE = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
    ("builtins", "slice"): slice,
    ("builtins", "range"): range,
    ("numpy", "dtype"): np.dtype,
}
# joblib before 0.10 wrote each array into a file of its own beside the pickle.
SIDE_FILES = frozenset(
    (module, name)
    for module in ("joblib.numpy_pickle", "joblib.numpy_pickle_compat", "sklearn.externals.joblib")
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
)

_DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x5d\x00\x00": lzma.decompress,
    b"\x78": zlib.decompress,
}
COMPRESSED = tuple(_DECOMPRESS)


@dataclass
class Facts:
    """What was read before the end, or before the first error."""

    root: Any = None
    names: set[tuple[str, str]] = field(default_factory=set)
    # Version of scikit-learn -> a class that has it.
    versions: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def modules(self) -> set[str]:
        """The modules of all classes and functions."""
        return {module for module, _ in self.names}

    def names_of(self, module: str) -> list[str]:
        """The classes and functions of a module, sorted."""
        return sorted(name for owner, name in self.names if owner == module)


class StandIn:
    """An object whose class is not loaded: its arguments and its state."""

    facts: ClassVar[Facts]
    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __new__(cls, *arguments: Any, **_: Any) -> StandIn:
        """Keep the arguments; nothing is called."""
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __setstate__(self, state: Any) -> None:
        """Keep the state, and the version of scikit-learn in it."""
        self.state = state
        if isinstance(state, dict) and isinstance(state.get(VERSION_KEY), str):
            self.facts.versions.setdefault(state[VERSION_KEY], type(self).__name__)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Accept the items of a subclass of dict."""

    def append(self, value: Any) -> None:
        """Accept the items of a subclass of list."""

    def extend(self, values: Any) -> None:
        """Accept the items of a subclass of list."""

    def add(self, value: Any) -> None:
        """Accept the items of a subclass of set."""


def read_facts(data: bytes) -> Facts:
    """What a pickle, compressed or not, says about itself; never raises, never runs its code."""
    facts = Facts()
    try:
        facts.root = _reader(facts, io.BytesIO(decompressed(data))).load()
    except Exception as error:  # any byte can stand anywhere in a file
        facts.error = f"{type(error).__name__}: {error}"
    return facts


def decompressed(data: bytes) -> bytes:
    """The content of a file that joblib or the user compressed."""
    for magic, decompress in _DECOMPRESS.items():
        if data.startswith(magic):
            return decompress(data)
    return data


def _reader(facts: Facts, stream: IO[bytes]) -> NumpyUnpickler:
    class Reader(NumpyUnpickler):  # type: ignore[misc] # joblib has no types
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
                return _array_of(facts)
            facts.names.add((module, name))
            if (module, name) in SAFE:
                return SAFE[module, name]
            if (module, name) == ("copyreg", "_reconstructor"):
                return _reconstruct
            return type(name, (StandIn,), {"__module__": module, "facts": facts})

        def persistent_load(self, _pid: Any) -> None:
            return None

    return Reader("", stream, ensure_native_byte_order=False)


def _array_of(facts: Facts) -> type:
    class Array(NumpyArrayWrapper):  # type: ignore[misc] # joblib has no types
        """An array in the file: its bytes are skipped; one of objects is a pickle of its own."""

        def read(self, unpickler: Any, _native: bool) -> Any:
            if self.dtype.hasobject:
                return _reader(facts, unpickler.file_handle).load()
            return self.read_array(unpickler, ensure_native_byte_order=False)

    return Array


def _reconstruct(cls: Any, _base: Any = None, _state: Any = None) -> Any:
    return cls() if isinstance(cls, type) else StandIn()


def protocol(data: bytes) -> int | None:
    """The protocol that the pickle declares; None for the text protocols and other files."""
    try:
        head = decompressed(data)[:2]
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return None
    return head[1] if head[:1] == pickle.PROTO and len(head) > 1 else None
