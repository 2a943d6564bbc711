"""Verify a bundle with the service's own code; refusals become errors of modelctl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import BundleRefusedError
from app.model.bundle import Bundle, verify
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path


def verify_bundle(path: Path, digest: str | None = None) -> Bundle:
    """Verify every hash of the bundle at `path` and return it. Raises RefusedError."""
    try:
        return verify(path, digest)
    except BundleRefusedError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error
