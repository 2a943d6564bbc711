"""The files of a model without training code: `source:` in models/<model>/model.yaml.

Each is named by a path in the repository or by a URL, and pinned by its SHA-256, so that git
decides which bytes are packaged, wherever they lie.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.packaging.formats import HEAD_BYTES, other_format

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
SCHEMES = ("https", "s3", "gs", "az", "http")
URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# The parts of a source -> whether each is required, and the endings of their files.
PARTS = {"model": True, "sample": True, "metrics": False}
ENDINGS = {"sample": (".csv", ".parquet"), "metrics": (".json",)}
KEYS = {"path", "uri", "sha256"}
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Pinned:
    """One file: a path relative to the model's folder or a URL, and its SHA-256 in hex digits."""

    place: str
    sha256: str

    @property
    def is_remote(self) -> bool:
        """Whether it has to be downloaded."""
        return is_url(self.place)


@dataclass(frozen=True)
class Source:
    """The files of a finished model; `key` is the entry of a container that is the model."""

    model: Pinned
    sample: Pinned
    metrics: Pinned | None = None
    key: str = ""

    def files(self) -> dict[str, Pinned]:
        """Each part that is given, by its name."""
        parts = {"model": self.model, "sample": self.sample, "metrics": self.metrics}
        return {name: pinned for name, pinned in parts.items() if pinned is not None}


def is_url(place: str) -> bool:
    """Whether a place is a URL rather than a path."""
    return URL.match(place) is not None


def read_config(path: Path) -> dict[str, Any]:
    """The content of a model.yaml. Raises ModelctlError."""
    # Imported here: a joblib file with options instead of a model.yaml need not wait for it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelctlError(
            f"the model's configuration cannot be read: {path}",
            found=error.strerror or type(error).__name__,
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ModelctlError(
            f"{path} is not valid YAML", found=" ".join(str(error).split())[:300]
        ) from error
    if not isinstance(document, dict):
        raise ModelctlError(f"{path} is not a mapping", expected="name, version, target as keys")
    return document


def parse(config: dict[str, Any], path: Path) -> Source | None:
    """The `source:` of a model.yaml; None without one. Raises ModelctlError with every problem."""
    block = config.get("source")
    if block is None:
        return None
    problems: list[str] = []
    entries = block if isinstance(block, dict) else {}
    if not isinstance(block, dict):
        problems.append(f"expected a mapping, found {type(block).__name__}")
    problems += [f"unknown key {name!r}" for name in entries if name not in PARTS]
    parts = {name: _parsed(name, entries.get(name), problems) for name in PARTS}
    if problems:
        raise ModelctlError(
            f"`source` in {path} is not valid",
            expected="model and sample (metrics is optional), each with path or uri, and sha256",
            found="; ".join(problems),
            fix="see docs/how-to/own-joblib.md, or write it with `modelctl new NAME --from FILE`",
        )
    model, sample = parts["model"], parts["sample"]
    assert model is not None and sample is not None  # noqa: PT018, S101 - else there are problems
    return Source(model, sample, parts["metrics"], str(entries["model"].get("key", "")))


def _parsed(name: str, entry: Any, problems: list[str]) -> Pinned | None:
    if entry is None:
        if PARTS[name]:
            problems.append(f"{name}: missing")
        return None
    if not isinstance(entry, dict):
        problems.append(f"{name}: expected a mapping, found {entry!r}")
        return None
    allowed = KEYS | ({"key"} if name == "model" else set())
    problems += [f"{name}: unknown key {key!r}" for key in entry if key not in allowed]
    place, sha256 = str(entry.get("path") or entry.get("uri") or ""), str(entry.get("sha256", ""))
    if ("path" in entry) == ("uri" in entry) or not place:
        problems.append(f"{name}: expected either path or uri")
    elif ("uri" in entry) != is_url(place):
        problems.append(f"{name}: {'uri' if 'uri' in entry else 'path'} is {place!r}")
    problems += [f"{name}: {problem}" for problem in place_problems(name, place)]
    if HEX_SHA256.fullmatch(sha256) is None:
        problems.append(f"{name}: sha256 is {sha256!r}, not 64 hex digits")
    return Pinned(place, sha256)


def place_problems(name: str, place: str) -> list[str]:
    """What is wrong with a path or URL. A URL in git must hold no secret."""
    problems = []
    path = place
    if is_url(place):
        scheme, _, rest = place.partition("://")
        host, _, path = rest.partition("/")
        if scheme not in SCHEMES:
            problems.append(f"{scheme}:// is not one of {', '.join(SCHEMES)}")
        if "@" in host or "?" in rest or "#" in rest:
            problems.append("the URL has credentials, a query or a fragment")
        if not host or not path:
            problems.append("the URL has no host or no path")
    elif place.startswith("/"):
        problems.append("the path is absolute: other machines do not have it")
    endings = ENDINGS.get(name, ())
    if place and endings and not path.endswith(endings):
        problems.append(f"expected a file that ends with {' or '.join(endings)}")
    return problems


def collect(
    source: Source, folder: Path, root: Path, out: Path, download: Callable[[str, str], Path]
) -> None:
    """Verify every file and copy it into `out`, named as a training would. Raises ModelctlError.

    `folder` is the model's folder in the repository `root`; `download` returns the local file of a
    URL, verified by its SHA-256.
    """
    names = {"model": "model.joblib", "metrics": "evaluation.json"}
    for part, pinned in source.files().items():
        if pinned.is_remote:
            path = download(pinned.place, pinned.sha256)
        else:
            path = _inside(part, folder / pinned.place, root)
            require_sha256(path, pinned.sha256, f"models/{folder.name}/model.yaml")
        ending = ".parquet" if pinned.place.endswith(".parquet") else ".csv"
        shutil.copyfile(path, out / names.get(part, f"sample{ending}"))


def _inside(part: str, path: Path, root: Path) -> Path:
    """A file of the repository. Raises ModelctlError for a missing one, and for one outside."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise ModelctlError(
            f"source.{part} is outside of the repository",
            expected=f"a path below {root}",
            found=str(path.resolve()),
            fix="copy the file into the model's folder, or name it by uri",
        )
    if not path.is_file():
        raise ModelctlError(
            f"source.{part} does not exist",
            expected=str(path),
            found="a folder" if path.is_dir() else "nothing",
            fix="commit the file, or correct the path in model.yaml",
        )
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_sha256(path: Path, expected: str, where: str) -> None:
    """Raise ModelctlError unless the file has that SHA-256, which stands in the file `where`."""
    found = sha256_of(path)
    if found == expected:
        return
    with path.open("rb") as stream:
        pointer = other_format(stream.read(HEAD_BYTES)) if path.suffix != ".csv" else None
    fix = (
        pointer.fix
        if pointer is not None and "pointer" in pointer.name
        else f"if the new file is meant, write `sha256: {found}` into {where}; else restore it"
    )
    raise ModelctlError(
        f"{path} is not the file that {where} names",
        expected=f"SHA-256 {expected}",
        found=f"SHA-256 {found}",
        fix=fix,
    )
