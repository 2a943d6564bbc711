"""The locked requirements of an image, as `make lock` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from pathlib import Path

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Requirement:
    """One pinned distribution, and the hashes of its permitted files."""

    name: str
    version: str
    sha256: tuple[str, ...]


def canonical(name: str) -> str:
    """A distribution's normalized name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> dict[str, Requirement]:
    """Every requirement of a file by its canonical name. Raises ModelctlError."""
    text = path.read_text(encoding="utf-8")
    requirements: dict[str, Requirement] = {}
    pins = list(_PIN.finditer(text))
    for pin, following in zip(pins, [*pins[1:], None], strict=True):
        block = text[pin.start() : following.start() if following else len(text)]
        name = canonical(pin["name"])
        requirements[name] = Requirement(name, pin["version"], tuple(sorted(_HASH.findall(block))))
    if unhashed := [entry.name for entry in requirements.values() if not entry.sha256]:
        raise ModelctlError(
            f"{path} has requirements without a hash", found=", ".join(unhashed), fix="make lock"
        )
    return requirements
