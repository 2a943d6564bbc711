"""Sign a bundle with the OpenSSF library; the pod verifies it with `app.fetch.signature`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import RefusedError as AppRefusedError
from app.fetch import signature
from app.model.bundle import SIGNATURE, UNHASHED
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.bundle import Bundle


def sign(bundle: Path, key: Path, password: str | None = None) -> Path:
    """Verify a bundle, write its signature and return the path. Raises ModelctlError."""
    verify_bundle(bundle)
    # Imported here: it loads about a hundred modules.
    from model_signing import hashing, signing

    # The constructors are not annotated.
    files = hashing.Config()  # type: ignore[no-untyped-call]
    # Only the manifest and the files that it lists are signed.
    files.set_ignored_paths(paths=sorted(UNHASHED))
    temporary = bundle / f"{SIGNATURE}.tmp"
    config = signing.Config()  # type: ignore[no-untyped-call]
    config.set_hashing_config(files)
    # The library expects bytes, although the parameter is annotated as str.
    secret: Any = password.encode() if password else None
    try:
        config.use_elliptic_key_signer(private_key=key, password=secret).sign(bundle, temporary)
    except (ValueError, TypeError, OSError) as error:
        raise ModelctlError(
            f"cannot sign with the key in {key}",
            expected="a private key on P-256, P-384 or P-521 in PEM format, and its password",
            found=str(error)[:200],
        ) from error
    return temporary.replace(bundle / SIGNATURE)


def ensure_signed(bundle: Bundle, public_key: Path) -> None:
    """Raise RefusedError unless that key signed the bundle, with the pod's own verification."""
    try:
        signature.check_folder(bundle.path, public_key, bundle.digest)
    except AppRefusedError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error
