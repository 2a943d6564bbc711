"""Certificates of a CA of a test's own, by OpenSSL."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

NEW = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
DAYS = ("-days", "2")


@dataclass(frozen=True)
class Authority:
    """A CA in a folder, and what it has signed for 127.0.0.1."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate of servers and clients, and its key."""
        request, names = self.folder / f"{name}.csr", self.folder / "names"
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        _run(*NEW, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signing = ("openssl", "x509", "-req", "-CA", self.ca, "-CAkey", self.folder / "ca.key")
        _run(*signing, *DAYS, "-in", request, "-extfile", names, "-out", certificate)
        return certificate, key


def authority(folder: Path) -> Authority:
    """A new CA in a folder, which is made."""
    folder.mkdir(parents=True)
    found = Authority(folder)
    _run(*NEW, "-x509", *DAYS, *("-subj", "/CN=ca"), "-keyout", folder / "ca.key", "-out", found.ca)
    return found


def _run(*argv: str | Path) -> None:
    subprocess.run(list(map(str, argv)), check=True, capture_output=True)
