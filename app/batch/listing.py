"""What `--input` names -> the files of the input: paths and URLs of files, folders and patterns.

Of a folder, those with a known ending; a name with a leading dot or underscore is no input.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from app.batch.errors import BatchError
from app.batch.folders import Folder, LocalFolder
from app.batch.inputs import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.batch.plan import Format

FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Listing:
    """The files of the input by their names below `root`, sorted."""

    root: str
    names: tuple[str, ...]


def format_of(name: str) -> Format:
    """The format of a file by its ending."""
    return FORMATS[PurePosixPath(name).suffix.lower()]


def listed(inputs: Sequence[str], out: Folder) -> Listing:
    """The files of the inputs; `root` is as the plan has it. Raises BatchError."""
    urls = [given for given in inputs if is_url(given)]
    if not urls:
        return _local(inputs, out)
    buckets = sorted({_bucket(given) if is_url(given) else "this machine" for given in inputs})
    if len(buckets) > 1:
        raise BatchError(
            "the inputs are in several places",
            expected="files of one bucket, of one server, or of this machine",
            found=", ".join(buckets),
            fix="plan each of them into a folder of its own",
        )
    found = {key for given in urls for key in _objects(given)}
    _require_endings(found)
    folder = _common(found)
    names = sorted(key.removeprefix(folder).lstrip("/") for key in found)
    return Listing(f"{buckets[0]}/{folder}".rstrip("/"), tuple(names))


def _local(inputs: Sequence[str], out: Folder) -> Listing:
    found: set[Path] = set()
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            some = [file for file in path.rglob("*") if file.is_file()]
            some = [file for file in some if _is_input(file.relative_to(path).as_posix())]
        elif path.exists():
            some = [path]
        else:
            some = [Path(name) for name in glob.glob(given, recursive=True)]  # noqa: PTH207 - of any root
            some = [file for file in some if file.is_file()]
        if not some:
            raise _nothing(given)
        found |= {file.resolve() for file in some}
    _require_endings(map(str, found))
    root = Path(os.path.commonpath([path.parent for path in found]))
    names = sorted(path.relative_to(root).as_posix() for path in sorted(found))
    if not isinstance(out, LocalFolder):
        return Listing(root.as_posix(), tuple(names))
    return Listing(relative(root, out.path), tuple(names))


def relative(path: Path, folder: Path) -> str:
    """A path seen from a folder, which may be moved together with it."""
    return Path(os.path.relpath(path, folder.resolve())).as_posix()


def _bucket(url: str) -> str:
    """Scheme and bucket, or scheme and host."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _objects(url: str) -> list[str]:
    """The keys of a URL of a file, a folder or a pattern."""
    from app.batch.stores import INPUT, Store

    bucket = _bucket(url)
    key = url.removeprefix(bucket).strip("/")
    if url.startswith("http"):
        return [key]
    store = Store(bucket, INPUT)
    if WILDCARDS.search(key):
        start = WILDCARDS.split(key)[0].rpartition("/")[0]
        matches = pattern(key)
        found = [name for name in store.listed(start) if matches.fullmatch(name)]
    else:
        if PurePosixPath(key).suffix.lower() in FORMATS:
            try:
                store.pin(key)
            except FileNotFoundError:
                pass
            else:
                return [key]
        below = f"{key}/" if key else ""
        found = [name for name in store.listed(key) if _is_input(name.removeprefix(below))]
    if not found:
        raise _nothing(url)
    return found


def pattern(text: str) -> re.Pattern[str]:
    """The keys of a pattern as a shell reads it: `*` within a name, `**/` any folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", text)
    words = {"**/": r"(?:(?!\.)[^/]+/)*", "**": r"(?:(?!\.)[^/]+/)*(?!\.)[^/]*", "?": "[^/]"}
    found = ""
    for part in parts:
        if part == "*":
            # A wildcard does not stand for a leading dot.
            at_start = not found or found.endswith("/")
            found += r"(?!\.)[^/]*" if at_start else "[^/]*"
        elif part in words:
            found += words[part]
        elif part.startswith("[") and part.endswith("]") and len(part) > 2:
            inner = part[1:-1].replace("\\", "\\\\")
            found += f"[^{inner[1:]}/]" if inner.startswith("!") else f"[{inner}]"
        else:
            found += re.escape(part)
    return re.compile(found)


def _common(keys: Iterable[str]) -> str:
    folders = [PurePosixPath(f"/{key}").parent for key in keys]
    return os.path.commonpath(folders).strip("/")


def _is_input(name: str) -> bool:
    path = PurePosixPath(name)
    is_hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not is_hidden and path.suffix.lower() in FORMATS


def _require_endings(names: Iterable[str]) -> None:
    wrong = sorted(name for name in names if PurePosixPath(name).suffix.lower() not in FORMATS)
    if wrong:
        raise BatchError(
            f"{wrong[0]} has an unknown ending",
            expected=", ".join(FORMATS),
            found=PurePosixPath(wrong[0]).suffix or "none",
        )


def _nothing(given: str) -> BatchError:
    return BatchError(
        f"no input at {given}",
        expected=f"a file, a folder or a pattern of {', '.join(FORMATS)}",
        found="no such file",
    )
