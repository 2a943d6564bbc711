"""A Python like that of an image, without the image."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.images.test_dockerfile import pruned
from tests.paths import ROOT


def installed(home: Path, requirements: str) -> Path:
    """Python in a new folder with locked requirements, pruned as in the image."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    install = ["pip", "install", "--quiet", "--python", str(home / "bin/python"), "--no-deps"]
    # Copies: what is taken out below must stay in uv's cache.
    install += ["--link-mode", "copy", "--require-hashes"]
    locked = str(ROOT / "requirements" / f"{requirements}.txt")
    subprocess.run([*uv, *install, "-r", locked], check=True)
    for name in pruned():
        for folder in home.rglob(name.replace(".", "/")):
            if folder.is_dir():
                shutil.rmtree(folder)
    return home / "bin/python"
