"""The machine and the library versions of a measurement, in one line."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("scikit-learn", "onnxruntime", "numpy", "flask", "gunicorn")


def describe() -> str:
    """Return processor, cores, kernel, Python and library versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"Measured on: {processor()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def processor() -> str:
    """Return the processor's name from the kernel."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
