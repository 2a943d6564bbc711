"""What is installed in an image, asked of the image itself. One JSON object on stdout.

Fed to the Python of a container, so it needs nothing but Python:

    docker run --rm --interactive IMAGE python - < modelctl/supply/inventory.py
"""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from pathlib import Path


def python_packages() -> list[dict[str, str]]:
    """Every installed distribution with its license."""
    found = []
    for distribution in metadata.distributions():
        about = distribution.metadata
        found.append(
            {
                "name": about["Name"],
                "version": distribution.version,
                # An SPDX expression, or nothing: the older free text means too many things.
                "license": (about.get_all("License-Expression") or [""])[0],
            }
        )
    return sorted(found, key=lambda entry: entry["name"].lower())


def debian_packages(status: Path = Path("/var/lib/dpkg/status")) -> list[dict[str, str]]:
    """Every package that dpkg has installed; nothing where there is no dpkg."""
    if not status.exists():
        return []
    found = []
    for block in status.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
        if fields.get("Status", "").endswith(" installed"):
            keys = {"name": "Package", "version": "Version", "architecture": "Architecture"}
            found.append({key: fields[field] for key, field in keys.items()})
    return sorted(found, key=lambda entry: entry["name"])


def main() -> None:
    """Write it."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    document = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": {key: system.get(key, "") for key in ("ID", "VERSION_ID")},
        "python_packages": python_packages(),
        "debian_packages": debian_packages(),
    }
    sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
