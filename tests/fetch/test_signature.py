"""A bundle's signature: what OpenSSF's library signs, ours checks, and nothing else passes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from app.errors import RefusedError
from app.fetch.signature import SignatureRefusedError, check, check_folder, pae
from app.model.bundle import verify
from modelctl.supply.signing import sign
from tests.fetch.conftest import Made, fetch, made
from tests.fetch.servers import Server

CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
THEIRS = str(Path(sys.executable).with_name("model_signing"))


def keys(folder: Path, curve: ec.EllipticCurve, password: bytes | None = None) -> tuple[Path, Path]:
    """A new pair in two files: the private one, the public one."""
    key = ec.generate_private_key(curve)
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / "key.pem", folder / "key.pub"
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        locked = serialization.BestAvailableEncryption(password)
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    public.write_bytes(public_bytes(key.public_key()))
    return private, public


def public_bytes(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return keys(tmp_path / "keys", CURVES["P-256"])


@pytest.fixture
def bundle() -> Made:
    return made(model_onnx=b"model", sample__rows_json=b"[1]")


@pytest.fixture
def folder(tmp_path: Path, bundle: Made) -> Path:
    place = tmp_path / "bundle"
    for name, data in bundle.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    (place / "report.json").write_text("{}")
    return place


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_what_we_sign_is_verified_by_us_and_by_openssf(
    curve: ec.EllipticCurve, folder: Path, tmp_path: Path, bundle: Made
) -> None:
    private, public = keys(tmp_path / "keys", curve)
    assert sign(folder, private) == folder / "model.sig"
    assert check_folder(folder, public, bundle.digest) == bundle.digest
    command = [THEIRS, "verify", "key", str(folder), "--public_key", str(public)]
    command += ["--signature", str(folder / "model.sig"), "--ignore_unsigned_files"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in folder.iterdir() if ".tmp" in path.name) == []


def test_what_openssf_signs_is_verified_by_us(
    folder: Path, pair: tuple[Path, Path], bundle: Made
) -> None:
    command = [THEIRS, "sign", "key", str(folder), "--private_key", str(pair[0])]
    subprocess.run([*command, "--signature", str(folder / "model.sig")], check=True)
    assert check_folder(folder, pair[1], bundle.digest) == bundle.digest


def test_a_key_with_a_password_signs(folder: Path, tmp_path: Path, bundle: Made) -> None:
    private, public = keys(tmp_path / "locked", CURVES["P-256"], b"secret")
    sign(folder, private, "secret")
    assert check_folder(folder, public, bundle.digest) == bundle.digest


def test_the_digest_stays_and_the_service_takes_a_signed_bundle(
    folder: Path, pair: tuple[Path, Path], bundle: Made
) -> None:
    sign(folder, pair[0])
    assert verify(folder).digest == bundle.digest


def changed(signature: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(signature.read_text())
    change(document["dsseEnvelope"])
    signature.write_text(json.dumps(document))


def another_payload(envelope: dict[str, Any]) -> None:
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["resources"][0]["digest"] = "0" * 64
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def no_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] = []


FORGED = {
    "payload": (another_payload, "the bundle is not signed by the required key"),
    "none": (no_signatures, "the bundle is not signed by the required key"),
    "no-envelope": (dict.clear, "model.sig is not a model signature"),
}


@pytest.mark.parametrize(("change", "what"), FORGED.values(), ids=FORGED)
def test_a_changed_signature_is_refused(
    change: Callable[[dict[str, Any]], None], what: str, folder: Path, pair: tuple[Path, Path]
) -> None:
    changed(sign(folder, pair[0]), change)
    with pytest.raises(SignatureRefusedError, match=what):
        check_folder(folder, pair[1], None)


def test_another_key_is_refused(folder: Path, pair: tuple[Path, Path], tmp_path: Path) -> None:
    sign(folder, pair[0])
    _, other = keys(tmp_path / "other", CURVES["P-256"])
    with pytest.raises(SignatureRefusedError, match="the bundle is not signed by the required key"):
        check_folder(folder, other, None)


def test_the_signature_of_another_bundle_is_refused(folder: Path, pair: tuple[Path, Path]) -> None:
    signed = sign(folder, pair[0]).read_bytes()
    with pytest.raises(SignatureRefusedError, match="the signature is for another bundle"):
        check(signed, pair[1], "sha256:" + "1" * 64)


def test_a_statement_of_another_kind_is_refused_though_the_key_signed_it(
    tmp_path: Path, bundle: Made
) -> None:
    """The same key may sign other things; none of them stands for a model."""
    key = ec.generate_private_key(CURVES["P-256"])
    public = tmp_path / "key.pub"
    public.write_bytes(public_bytes(key.public_key()))
    entry = {"name": "manifest.json", "algorithm": "sha256", "digest": bundle.digest[7:]}
    statement = {
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"resources": [entry]},
    }
    payload = json.dumps(statement).encode()
    signed = base64.b64encode(key.sign(pae(payload), ec.ECDSA(hashes.SHA256()))).decode()
    envelope = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"sig": signed}],
    }
    with pytest.raises(SignatureRefusedError, match="a statement of type"):
        check(json.dumps({"dsseEnvelope": envelope}).encode(), public, bundle.digest)


@pytest.mark.parametrize("text", ["", "no key", "ed25519"])
def test_a_key_that_cannot_be_used_is_refused(text: str, folder: Path, tmp_path: Path) -> None:
    public = tmp_path / "key.pub"
    if text == "ed25519":
        public.write_bytes(public_bytes(ed25519.Ed25519PrivateKey.generate().public_key()))
    elif text:
        public.write_text(text)
    (folder / "model.sig").write_text("{}")
    with pytest.raises(SignatureRefusedError, match=r"^the public key in .* is invalid: "):
        check_folder(folder, public, None)


def test_a_file_that_was_changed_after_signing_is_refused(
    folder: Path, pair: tuple[Path, Path]
) -> None:
    sign(folder, pair[0])
    (folder / "model_onnx").write_bytes(b"other")
    with pytest.raises(RefusedError, match="has the wrong hash"):
        check_folder(folder, pair[1], None)


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_the_init_container_says_whether_a_mounted_bundle_is_signed(
    folder: Path, pair: tuple[Path, Path], bundle: Made, *, signed: bool
) -> None:
    if signed:
        sign(folder, pair[0])
    environ = {**os.environ, "MODEL_DIR": str(folder), "MODEL_DIGEST": bundle.digest}
    environ["FETCH_PUBLIC_KEY_FILE"] = str(pair[1])
    command = [sys.executable, "-m", "app.fetch.signature"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["event"]) == (
        (0, "signature_verified") if signed else (3, "signature_refused")
    )


# What is wrong -> exit code and what is said.
MOUNTED: dict[str, tuple[int, str]] = {
    "nothing": (0, "signature_verified"),
    "no-signature": (3, "signature_refused"),
    "other-bundle": (3, "signature_refused"),
    "no-digest": (3, "setting_refused"),
    # Left to the service, which hashes every file before it loads one.
    "changed-file": (0, "signature_verified"),
}


@pytest.mark.parametrize(("wrong", "expected"), MOUNTED.items(), ids=MOUNTED)
def test_the_init_container_of_the_chart_asks_for_the_signature_alone(
    wrong: str, expected: tuple[int, str], folder: Path, pair: tuple[Path, Path], bundle: Made
) -> None:
    if wrong != "no-signature":
        sign(folder, pair[0])
    if wrong == "changed-file":
        (folder / "model_onnx").write_bytes(b"other")
    digests = {"other-bundle": "sha256:" + "1" * 64, "no-digest": ""}
    environ = {**os.environ, "MODEL_DIR": str(folder), "FETCH_PUBLIC_KEY_FILE": str(pair[1])}
    environ["MODEL_DIGEST"] = digests.get(wrong, bundle.digest)
    command = [sys.executable, "-m", "app.fetch.signature", "--signature-only"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["event"]) == expected


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_a_download_asks_for_the_signature_before_any_file(
    running: Callable[[str], Server],
    place: str,
    folder: Path,
    pair: tuple[Path, Path],
    bundle: Made,
    tmp_path: Path,
    *,
    signed: bool,
) -> None:
    server = running("http")
    url = bundle.put(server, place)
    if signed:
        server.put(f"{place}/model.sig", sign(folder, pair[0]).read_bytes())
    environ = {"MODEL_URL": url, "MODEL_DIGEST": bundle.digest, **server.environ}
    environ |= {"MODEL_DIR": str(tmp_path / "m"), "FETCH_PUBLIC_KEY_FILE": str(pair[1])}
    said = fetch(environ)
    if signed:
        assert said.code == 0
        assert [line["event"] for line in said.lines][:3] == [
            *("fetch_started", "signature_verified", "manifest_verified")
        ]
        return
    assert said.code == 3
    assert said.last["what"].endswith("/model.sig does not exist")
    assert not said.events("file_fetched")
