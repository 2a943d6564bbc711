"""Environment variables -> the fields of a typed, immutable dataclass, documented in place.

A dataclass with fields made by `variable` is the single source of its variables: parsing, error
texts and the generated reference all derive from it. Knows no variable by name.
"""

from __future__ import annotations

from dataclasses import Field, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import SettingRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOLEANS = {"true": True, "false": False}
DIGEST_LENGTH = len("sha256:") + 64

T = TypeVar("T")


def variable(
    name: str, default: Any, doc: str, *, low: float | None = None, high: float | None = None
) -> Any:
    """A field read from the environment variable `name`."""
    return field(default=default, metadata={"name": name, "doc": doc, "low": low, "high": high})


def read(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read every variable of a dataclass; an empty value counts as unset.

    Raises SettingRefusedError.
    """
    values = {}
    for entry in fields(kind):  # type: ignore[arg-type]
        raw = environ.get(entry.metadata["name"], "").strip()
        if raw:
            values[entry.name] = _parse(entry, raw)
    return kind(**values)


def require_digest(name: str, digest: str) -> None:
    """Raises SettingRefusedError unless the variable `name` holds a digest."""
    well_formed = digest.startswith("sha256:") and len(digest) == DIGEST_LENGTH
    if not well_formed or set(digest[7:]) - set("0123456789abcdef"):
        raise refusal(name, "sha256:<64 hex digits>", digest)


def refusal(name: str, expected: str, found: str, *, required: bool = False) -> SettingRefusedError:
    """The error for a variable with an invalid value; `required`: it has no default."""
    return SettingRefusedError(
        f"environment variable {name} is invalid",
        expected=expected,
        found=repr(found[:100]),
        fix=f"set {name} to {expected}" + ("" if required else ", or unset it for the default"),
    )


def without_secret(url: str) -> str:
    """A URL as a log may have it."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    return f"{scheme}://{rest.rpartition('@')[2]}"


def table(kind: type[Any]) -> list[str]:
    """The lines of a Markdown table of a dataclass's variables, for the reference pages."""
    lines = ["| variable | default | range | meaning |", "|---|---|---|---|"]
    for entry in fields(kind):
        about = entry.metadata
        default = "" if entry.default in (None, "") else f"`{str(entry.default).lower()}`"
        bounds = [
            f"{sign} {bound:,}"
            for sign, bound in (("≥", about["low"]), ("≤", about["high"]))
            if bound is not None
        ]
        lines.append(f"| `{about['name']}` | {default} | {' '.join(bounds)} | {about['doc']} |")
    return lines


def _parse(entry: Field[Any], raw: str) -> Any:
    kind = str(entry.type).removesuffix(" | None")
    if kind == "str":
        return raw
    if kind == "Path":
        return Path(raw)
    if kind == "bool":
        if raw not in BOOLEANS:
            raise refusal(entry.metadata["name"], "true or false", raw)
        return BOOLEANS[raw]
    number = int if kind == "int" else float
    low, high = entry.metadata["low"], entry.metadata["high"]
    bounds = "".join(
        f" {word} {bound}" for word, bound in ((">=", low), ("<=", high)) if bound is not None
    )
    expected = ("an integer" if number is int else "a number") + bounds
    try:
        value = number(raw)
    except ValueError as error:
        raise refusal(entry.metadata["name"], expected, raw) from error
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise refusal(entry.metadata["name"], expected, raw)
    return value
