"""Signing a bundle with OpenSSF's library; what the pod checks is `app.fetch.signature`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import RefusedError as RefusedByPodError
from app.fetch import signature
from app.model.bundle import SIGNATURE, UNHASHED
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.bundles import verified

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.bundle import Bundle


def sign(bundle: Path, key: Path, password: str | None = None) -> Path:
    """Write the signature of a bundle that is what its manifest says; returns its file.

    Raises ModelctlError.
    """
    verified(bundle)
    # It brings a hundred modules, so nobody else imports it.
    from model_signing import hashing, signing

    # Their constructors say nothing of types.
    files = hashing.Config()  # type: ignore[no-untyped-call]
    # Only what the manifest lists, and the manifest, is signed.
    files.set_ignored_paths(paths=sorted(UNHASHED))
    made = bundle / f"{SIGNATURE}.tmp"
    config = signing.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(files)
    # Handed on as it is to what wants bytes, whatever its annotation says.
    secret: Any = password.encode() if password else None
    try:
        config.use_elliptic_key_signer(private_key=key, password=secret).sign(bundle, made)
    except (ValueError, TypeError, OSError) as error:
        raise ModelctlError(
            f"the key in {key} cannot sign",
            expected="a private key on P-256, P-384 or P-521 as PEM, and its password",
            found=str(error)[:200],
        ) from error
    return made.replace(bundle / SIGNATURE)


def check(bundle: Bundle, public_key: Path) -> None:
    """Raise RefusedError unless that key signed the bundle: the pod's own check."""
    try:
        signature.check_folder(bundle.path, public_key, bundle.digest)
    except RefusedByPodError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error
