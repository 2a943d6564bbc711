"""`python -m app`: the container's command.

A refusal to start is one JSON line, the last one of the process, and exit code 3: Kubernetes copies
it into the pod's status. Sets environment variables that numpy and onnxruntime read on import, so
these must not be imported at module level.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from app.errors import BundleRefusedError, RefusedError
from app.timestamps import timestamp
from app.variables import refusal

EXIT_REFUSED = 3


def prepare_environment() -> str | None:
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


def main() -> int:
    """Run the service; returns the exit code."""
    started = time.perf_counter()
    master = os.getpid()
    temporary = None
    try:
        temporary = prepare_environment()
        _run(started)
    except RefusedError as error:
        line = {
            "timestamp": timestamp(time.time()),
            "level": "ERROR",
            "logger": "app",
            "pid": master,
            **error.fields(),
        }
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)
        return EXIT_REFUSED
    finally:
        # Workers exit through here too; only the master may remove the folder.
        if temporary is not None and os.getpid() == master:
            shutil.rmtree(temporary, ignore_errors=True)
    return 0


def _run(started: float) -> None:
    from app.observability.metrics import shared_counters
    from app.server import run
    from app.settings import Settings

    settings = Settings.from_environ(os.environ)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    try:
        shared_counters.begin(folder)
    except OSError as error:
        expected = "a folder that this user may write"
        raise refusal("PROMETHEUS_MULTIPROC_DIR", expected, f"{folder} ({error})") from error
    try:
        run(settings, started)
    except BundleRefusedError:
        shared_counters.count_refusal(folder)
        raise


if __name__ == "__main__":
    sys.exit(main())
