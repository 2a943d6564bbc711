"""The loader's refusal in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import BundleRefusedError
from app.model.bundle import Bundle, verify
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path


def verified(path: Path, digest: str | None = None) -> Bundle:
    """The bundle at `path`, every hash checked. Raises RefusedError."""
    try:
        return verify(path, digest)
    except BundleRefusedError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error
