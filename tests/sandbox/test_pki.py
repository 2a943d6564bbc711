"""Certificates are signed by one authority, name what they are for, and are kept while valid."""

import datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox import kubeconfig, pki
from sandbox.layout import Layout


@pytest.fixture
def made(layout: Layout) -> Layout:
    assert pki.make_pki(layout)
    return layout


def load(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((layout.pki / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("identity", pki.IDENTITIES, ids=lambda identity: identity.file)
def test_each_certificate_is_issued_by_the_authority_with_its_names(
    made: Layout, identity: pki.Identity
) -> None:
    certificate = load(made, identity.file)
    certificate.verify_directly_issued_by(load(made, "ca"))
    subject = certificate.subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == identity.common_name
    groups = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ([identity.organization] if identity.organization else [])
    if identity.server_names:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {str(name.value) for name in names}
        assert found == set(identity.server_names)


def test_keys_are_readable_by_us_alone(made: Layout) -> None:
    assert made.pki.stat().st_mode & 0o777 == 0o700
    assert {key.stat().st_mode & 0o777 for key in made.pki.glob("*.key")} == {0o600}


def test_a_complete_valid_set_is_kept(made: Layout) -> None:
    before = (made.pki / "admin.crt").read_bytes()
    assert pki.make_pki(made) is False
    assert (made.pki / "admin.crt").read_bytes() == before


def test_a_set_with_a_missing_file_is_made_anew(made: Layout) -> None:
    (made.pki / "proxy.key").unlink()
    assert pki.make_pki(made) is True
    assert (made.pki / "proxy.key").exists()


def test_a_set_that_ends_soon_is_made_anew(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pki, "_LIFETIME", datetime.timedelta(days=29))
    assert pki.make_pki(layout) is True
    assert pki.make_pki(layout) is True


def test_kubeconfigs_are_private_and_left_alone_when_nothing_changed(made: Layout) -> None:
    kubeconfig.write_all(made)
    before = made.kubeconfig.stat().st_mtime_ns
    assert made.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert "https://127.0.0.1:16443" in made.kubeconfig.read_text()
    assert "https://10.88.0.1:6443" in made.inner_kubeconfig.read_text()
    kubeconfig.write_all(made)
    assert made.kubeconfig.stat().st_mtime_ns == before
