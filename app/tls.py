"""What a connection to another server trusts, and shows of itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.variables import refusal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Trust:
    """The files of a connection, by the variables `<prefix>_CA`, `_CERT` and `_KEY`."""

    prefix: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def require_pair(trust: Trust) -> None:
    """Raises SettingRefusedError for a certificate without its key, or a key alone."""
    if (trust.certificate is None) != (trust.key is None):
        missing = "KEY" if trust.key is None else "CERT"
        expected = f"a file, with {trust.prefix}_CERT and {trust.prefix}_KEY together"
        raise refusal(f"{trust.prefix}_{missing}", expected, "")


def context(trust: Trust) -> ssl.SSLContext:
    """By the files. Raises SettingRefusedError."""
    name, path = f"{trust.prefix}_CA", trust.ca
    try:
        made = ssl.create_default_context(cafile=str(path) if path is not None else None)
        if trust.certificate is not None:
            name, path = f"{trust.prefix}_CERT", trust.certificate
            made.load_cert_chain(trust.certificate, trust.key)
    except (OSError, ssl.SSLError) as error:
        raise refusal(name, "a file in PEM that can be read", f"{path} ({error})") from error
    return made
