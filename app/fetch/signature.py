"""Who signed a bundle: OpenSSF model signing with a key, `model.sig` beside the manifest.

    python -m app.fetch.signature [--dir FOLDER] [--signature-only]

is for a bundle that is mounted, not downloaded.
Reads the format of `model_signing` (a Sigstore bundle of a DSSE envelope of an in-toto statement)
with `cryptography` alone: the library brings 90 MB into an image of 30. Of the files that the
statement lists only the manifest counts, because its hash pins every other.
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
from app.fetch.progress import say
from app.model.bundle import MANIFEST, SIGNATURE, verify
from app.variables import check_digest

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# Far above any real signature; a larger one is read from a store that lies.
MAX_BYTES = 4 * 1024 * 1024
# The hash that goes with each curve, as Sigstore's specification has it.
HASHES: dict[str, type[HashAlgorithm]] = {
    "secp256r1": SHA256,
    "secp384r1": SHA384,
    "secp521r1": SHA512,
}
REFUSED = 3
SIGN = "sign the bundle with `modelctl sign-bundle` and the key that belongs to the public key"


class SignatureRefusedError(RefusedError):
    """The bundle is not signed by the key that has to have signed it."""

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
            "the signature of the bundle is not of that key",
            expected=f"a signature that {public_key} verifies",
            found=f"{len(signatures)} that it does not",
        )
    _check_statement(payload, manifest_digest)


def check_folder(folder: Path, public_key: Path, digest: str | None) -> str:
    """Verify a whole bundle and its signature; return its digest. Raises RefusedError."""
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
            f"the bundle at {folder} has no signature that can be read",
            expected=f"the file {SIGNATURE}",
            found=error.strerror or type(error).__name__,
        ) from error


def read_key(path: Path) -> ec.EllipticCurvePublicKey:
    """The public key in a file. Raises SignatureRefusedError."""
    found = "another kind of key"
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        key, found = None, getattr(error, "strerror", None) or "no such key"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in HASHES:
        return key
    raise SignatureRefusedError(
        f"the public key in {path} cannot be used",
        expected="an elliptic key on P-256, P-384 or P-521, as PEM",
        found=found,
        fix="give the public half of the key that signs (FETCH_PUBLIC_KEY_FILE)",
    )


def pae(payload: bytes) -> bytes:
    """What DSSE signs: type and content, each with its length."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _envelope(signature: bytes) -> tuple[bytes, list[bytes]]:
    """Payload and signatures of the envelope, none of them verified yet."""
    try:
        envelope = orjson.loads(signature)["dsseEnvelope"]
        # The type is part of what is signed, so another one verifies nothing.
        signatures = [base64.b64decode(entry["sig"]) for entry in envelope["signatures"]]
        return base64.b64decode(envelope["payload"]), signatures
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureRefusedError(
            f"{SIGNATURE} is no signature of a model",
            expected="a Sigstore bundle with a DSSE envelope, as `model_signing` writes it",
            found=f"{type(error).__name__}: {error}"[:200],
        ) from error


def _check_statement(payload: bytes, manifest_digest: str) -> None:
    """The statement is signed; does it speak of this manifest?"""
    try:
        statement: dict[str, Any] = orjson.loads(payload)
        kind = statement["predicateType"]
        resources = {entry["name"]: entry for entry in statement["predicate"]["resources"]}
        entry = resources[MANIFEST]
        found = f"{entry['algorithm']}:{entry['digest']}"
    except (KeyError, TypeError, ValueError) as error:
        kind, found = PREDICATE_TYPE, f"no entry of {MANIFEST} ({type(error).__name__})"
    if kind != PREDICATE_TYPE or found != manifest_digest:
        raise SignatureRefusedError(
            "the signature is of another bundle",
            expected=f"{MANIFEST} with {manifest_digest}",
            found=found if kind == PREDICATE_TYPE else f"a statement of type {kind!r}"[:200],
        )


def main() -> int:
    """Check a folder; variables as of the download, arguments before them."""
    environ = os.environ
    parser = argparse.ArgumentParser("python -m app.fetch.signature", description=__doc__)
    parser.add_argument("--dir", default=environ.get("MODEL_DIR") or "/model", type=Path)
    parser.add_argument(
        "--signature-only",
        action="store_true",
        help="read no file but the signature, of MODEL_DIGEST; who serves hashes the files by that",
    )
    options = parser.parse_args()
    folder: Path = options.dir
    key = Path(environ.get("FETCH_PUBLIC_KEY_FILE", ""))
    digest = environ.get("MODEL_DIGEST", "")
    try:
        if options.signature_only:
            check_digest("MODEL_DIGEST", digest)
            check(read_signature(folder), key, digest)
        else:
            digest = check_folder(folder, key, digest or None)
    except RefusedError as error:
        say(level="ERROR", **error.fields())
        return REFUSED
    say("signature_verified", model_digest=digest, public_key=str(key))
    return 0


if __name__ == "__main__":
    sys.exit(main())
