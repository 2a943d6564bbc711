"""Certificates of a CA of a test's own, by OpenSSL."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
DAYS = ("-days", "2")


@dataclass(frozen=True)
class Authority:
    """A CA in a folder, and what it has signed."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def issue(self, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """A certificate of servers and clients at an address, and its key."""
        request, names = self.folder / f"{name}.csr", self.folder / "names"
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        names.write_text(f"subjectAltName=IP:{address}\nauthorityKeyIdentifier=keyid\n")
        _run(*NEW, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signing = ("openssl", "x509", "-req", "-CA", self.ca, "-CAkey", self.folder / "ca.key")
        _run(*signing, *DAYS, "-in", request, "-extfile", names, "-out", certificate)
        return certificate, key


def authority(folder: Path) -> Authority:
    """A new CA in a folder, which is made."""
    folder.mkdir(parents=True)
    found = Authority(folder)
    # Python 3.13 takes no CA for one that does not say what its key is for (RFC 5280, 4.2.1.3).
    purpose = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    named = ("-subj", "/CN=ca", "-keyout", folder / "ca.key", "-out", found.ca)
    _run(*NEW, "-x509", *DAYS, *purpose, *named)
    return found


def _run(*argv: str | Path) -> None:
    subprocess.run(list(map(str, argv)), check=True, capture_output=True)
