"""What a process needs before it imports numpy and onnxruntime; how it refuses to start.

Imports neither of them. A refusal is one JSON line, the last one of the process: Kubernetes copies
it into the pod's status.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from typing import TYPE_CHECKING

from app.timestamps import timestamp
from app.variables import refusal

if TYPE_CHECKING:
    from app.errors import RefusedError

EXIT_REFUSED = 3


def prepare() -> str | None:
    """Limit libraries to one thread, disable telemetry, ensure a metrics folder.

    Returns the temporary folder to remove on exit, or None if the folder was configured. Raises
    SettingRefusedError if there is no place for one.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Workers are the unit of parallelism: library threads would compete with them for the cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return None
    try:
        temporary = tempfile.mkdtemp(prefix="ml-model-metrics-")
    except OSError as error:
        expected = "a writable folder for temporary files; mount one at /tmp"
        raise refusal("TMPDIR", expected, str(error)) from error
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = temporary
    return temporary


def refusal_line(error: RefusedError, pid: int) -> str:
    """The log line of a refusal to start."""
    line = {
        "timestamp": timestamp(time.time()),
        "level": "ERROR",
        "logger": "app",
        "pid": pid,
        **error.fields(),
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
