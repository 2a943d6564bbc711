"""List what is installed in an image, as one JSON object on stdout.

Runs in a container of the image, so it uses the standard library only:

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
    packages = []
    for distribution in metadata.distributions():
        fields = distribution.metadata
        packages.append(
            {
                "name": fields["Name"],
                "version": distribution.version,
                # An SPDX expression or empty: the older free-text field is ambiguous.
                "license": (fields.get_all("License-Expression") or [""])[0],
            }
        )
    return sorted(packages, key=lambda entry: entry["name"].lower())


def debian_packages(status: Path = Path("/var/lib/dpkg/status")) -> list[dict[str, str]]:
    """Every package installed by dpkg; empty without dpkg."""
    if not status.exists():
        return []
    packages = []
    for block in status.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
        if fields.get("Status", "").endswith(" installed"):
            keys = {"name": "Package", "version": "Version", "architecture": "Architecture"}
            packages.append({key: fields[field] for key, field in keys.items()})
    return sorted(packages, key=lambda entry: entry["name"])


def main() -> None:
    """Write the inventory to stdout."""
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
