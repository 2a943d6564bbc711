"""Verify the signature of a bundle: OpenSSF model signing, `model.sig` beside the manifest.

    python -m app.fetch.signature [--dir FOLDER] [--signature-only]

verifies a bundle that is mounted, not downloaded.
Reads the format of `model_signing` (a Sigstore bundle with a DSSE envelope of an in-toto statement)
with `cryptography` alone: that library would add 90 MB to an image of 30 MB. Of the files that the
statement lists only the manifest matters, because its hashes pin all others.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.errors import RefusedError
from app.fetch.progress import log_event
from app.model.bundle import MANIFEST, SIGNATURE, verify
from app.variables import require_digest

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# Far above any real signature; bounds the memory that a hostile one can take.
MAX_BYTES = 4 * 1024 * 1024
# The hash of each curve, by Sigstore's specification.
HASHES: dict[str, type[HashAlgorithm]] = {
    "secp256r1": SHA256,
    "secp384r1": SHA384,
    "secp521r1": SHA512,
}
EXIT_REFUSED = 3
SIGN = "sign the bundle with `modelctl sign-bundle` and the private key of that public key"


class SignatureRefusedError(RefusedError):
    """The bundle has no valid signature of the required key."""

    def __init__(self, what: str, *, expected: str, found: str, fix: str = SIGN) -> None:
        super().__init__("signature_refused", what, expected=expected, found=found, fix=fix)


def check(signature: bytes, public_key: Path, manifest_digest: str) -> None:
    """Raise SignatureRefusedError unless the key signed the manifest with that digest."""
    key = read_key(public_key)
    payload, signatures = _envelope(signature)
    for signed in signatures:
        try:
            key.verify(signed, pae(payload), ec.ECDSA(HASHES[key.curve.name]()))
            break
        except InvalidSignature:
            continue
    else:
        raise SignatureRefusedError(
            "the bundle is not signed by the required key",
            expected=f"a signature by the private key of {public_key}",
            found=f"{len(signatures)} signatures, none by that key",
        )
    _require_statement_for(payload, manifest_digest)


def check_folder(folder: Path, public_key: Path, digest: str | None) -> str:
    """Verify a bundle and its signature; return its digest. Raises RefusedError."""
    bundle = verify(folder, digest)
    check(read_signature(folder), public_key, bundle.digest)
    return bundle.digest


def read_signature(folder: Path) -> bytes:
    """The signature beside the manifest, unverified. Raises SignatureRefusedError."""
    try:
        with (folder / SIGNATURE).open("rb") as stream:
            return stream.read(MAX_BYTES)
    except OSError as error:
        raise SignatureRefusedError(
            f"the signature of the bundle at {folder} cannot be read",
            expected=f"the file {SIGNATURE}",
            found=error.strerror or type(error).__name__,
        ) from error


def read_key(path: Path) -> ec.EllipticCurvePublicKey:
    """The public key in a file. Raises SignatureRefusedError."""
    reason = "another kind of key"
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        key, reason = None, getattr(error, "strerror", None) or "no PEM public key"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in HASHES:
        return key
    raise SignatureRefusedError(
        f"the public key in {path} is invalid",
        expected="a PEM public key on curve P-256, P-384 or P-521",
        found=reason,
        fix="set FETCH_PUBLIC_KEY_FILE to the public key of the signing key",
    )


def pae(payload: bytes) -> bytes:
    """The pre-authentication encoding that DSSE signs: type and payload, each with its length."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _envelope(signature: bytes) -> tuple[bytes, list[bytes]]:
    """Payload and signatures of the envelope, not yet verified."""
    try:
        envelope = orjson.loads(signature)["dsseEnvelope"]
        # The payload type is not checked: it is signed too, so another one fails verification.
        signatures = [base64.b64decode(entry["sig"]) for entry in envelope["signatures"]]
        return base64.b64decode(envelope["payload"]), signatures
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureRefusedError(
            f"{SIGNATURE} is not a model signature",
            expected="a Sigstore bundle with a DSSE envelope, as `model_signing` writes it",
            found=f"{type(error).__name__}: {error}"[:200],
        ) from error


def _require_statement_for(payload: bytes, manifest_digest: str) -> None:
    """Raise SignatureRefusedError unless the signed statement is about this manifest."""
    try:
        statement: dict[str, Any] = orjson.loads(payload)
        kind = statement["predicateType"]
        resources = {entry["name"]: entry for entry in statement["predicate"]["resources"]}
        entry = resources[MANIFEST]
        signed = f"{entry['algorithm']}:{entry['digest']}"
    except (KeyError, TypeError, ValueError) as error:
        kind, signed = PREDICATE_TYPE, f"no entry for {MANIFEST} ({type(error).__name__})"
    if kind != PREDICATE_TYPE or signed != manifest_digest:
        raise SignatureRefusedError(
            "the signature is for another bundle",
            expected=f"{MANIFEST} with {manifest_digest}",
            found=signed if kind == PREDICATE_TYPE else f"a statement of type {kind!r}"[:200],
        )


def main() -> int:
    """Verify a folder; arguments override the download's variables. Returns the exit code."""
    environ = os.environ
    parser = argparse.ArgumentParser("python -m app.fetch.signature", description=__doc__)
    parser.add_argument(
        "--dir",
        default=environ.get("MODEL_DIR") or "/model",
        type=Path,
        help="override MODEL_DIR",
    )
    parser.add_argument(
        "--signature-only",
        action="store_true",
        help="verify only the signature against MODEL_DIGEST; the service verifies the files",
    )
    options = parser.parse_args()
    folder: Path = options.dir
    key = Path(environ.get("FETCH_PUBLIC_KEY_FILE", ""))
    digest = environ.get("MODEL_DIGEST", "")
    try:
        if options.signature_only:
            require_digest("MODEL_DIGEST", digest)
            check(read_signature(folder), key, digest)
        else:
            digest = check_folder(folder, key, digest or None)
    except RefusedError as error:
        log_event(level="ERROR", **error.fields())
        return EXIT_REFUSED
    log_event("signature_verified", model_digest=digest, public_key=str(key))
    return 0


if __name__ == "__main__":
    sys.exit(main())
