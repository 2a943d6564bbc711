"""Certificates of the cluster: one authority, server and client certificates, a token key pair.

The only user of `cryptography`. Everything is in `.sandbox/pki` (mode 0700), valid for one year,
and reissued when it expires within a month.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError
from sandbox.layout import CLUSTER_DOMAIN, KUBERNETES_IP, NODE_IP, NODE_NAME, Layout
from sandbox.process import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as _error:
    raise SandboxError(
        "the Python library `cryptography` is missing",
        found=str(_error),
        expected="the project's Python environment",
        fix="run `make venv`, then `.venv/bin/python -m sandbox ...` (`make up` does both)",
    ) from _error

_LIFETIME = datetime.timedelta(days=365)
_RENEW_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Identity:
    """A certificate to issue: file name, CN, O (a Kubernetes group), and names of a server."""

    file: str
    common_name: str
    organization: str = ""
    server_names: tuple[str, ...] = ()


_API_NAMES = (
    "127.0.0.1",
    NODE_IP,
    KUBERNETES_IP,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
)

IDENTITIES = (
    Identity("apiserver", "kube-apiserver", server_names=_API_NAMES),
    Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
    Identity("front-proxy-client", "front-proxy-client"),
    Identity("admin", "kubernetes-admin", "system:masters"),
    Identity("controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler"),
    Identity(
        "kubelet", f"system:node:{NODE_NAME}", "system:nodes", server_names=(NODE_IP, NODE_NAME)
    ),
    Identity("proxy", "system:kube-proxy"),
    Identity("coredns", "sandbox:coredns"),
    Identity(
        "metrics-server",
        "sandbox:metrics-server",
        server_names=("metrics-server.kube-system.svc",),
    ),
    Identity("rollouts", "sandbox:rollouts"),
    Identity("istiod", "sandbox:istiod"),
)


def make_pki(layout: Layout) -> bool:
    """Issue every certificate unless a complete, valid set exists; return whether it did."""
    folder = layout.pki
    if _is_current(folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _issue(Identity("ca", "ml-model-sandbox"), key, key, None)
    _write_key(folder / "service-account.key", token_key := ec.generate_private_key(ec.SECP256R1()))
    public = token_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_file(folder / "service-account.pub", public.decode())
    _write_key(folder / "ca.key", key)
    for identity in IDENTITIES:
        own_key = ec.generate_private_key(ec.SECP256R1())
        _write_key(folder / f"{identity.file}.key", own_key)
        _write_certificate(
            folder / f"{identity.file}.crt", _issue(identity, own_key, key, authority)
        )
    # Last, because `_is_current` takes its presence as the sign of a complete set.
    _write_certificate(folder / "ca.crt", authority)
    return True


def _is_current(folder: Path) -> bool:
    names = ["service-account", *(identity.file for identity in IDENTITIES)]
    if not all((folder / f"{name}.key").exists() for name in names):
        return False
    try:
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    left = authority.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left > _RENEW_BEFORE


def _issue(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
) -> x509.Certificate:
    """Sign `identity`; without `authority` the certificate is a self-signed CA."""
    subject = _name(identity.common_name, identity.organization)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, because a laptop sets its clock some time after it wakes up.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=authority is None), critical=True)
    )
    if authority is not None:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.server_names:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(_alternative_names(identity.server_names), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _name(common_name: str, organization: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    def parse(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([parse(name) for name in names])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    write_file(path, text.decode())


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    write_file(path, certificate.public_bytes(serialization.Encoding.PEM).decode(), 0o644)
