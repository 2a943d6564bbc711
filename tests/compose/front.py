"""The nginx of deploy/compose where there are no containers: the same file, other addresses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = ROOT / "deploy/compose/nginx.conf"


def program() -> str | None:
    """Debian's nginx, which it keeps where only root looks; None if there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def command(nginx: str, folder: Path, port: int, services: Mapping[str, int]) -> list[str]:
    """What runs it on a port of this machine, each model's service on one of its own.

    It writes `log` and `access` into the folder.
    """
    hosts = "".join(f"{name} 127.0.0.1:{there};" for name, there in services.items())
    text = FILE.read_text(encoding="utf-8").replace("/tmp/", f"{folder}/")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("/dev/stderr", f"{folder}/log").replace("/dev/stdout", f"{folder}/access")
    text = text.replace("http://$model:8080", "http://$there")
    text = text.replace("http {", f"http {{\n    map $model $there {{ {hosts} }}", 1)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    return [nginx, "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]
