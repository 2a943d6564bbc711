"""`python -m app`: the container's command.

A refusal to start is one JSON line, the last one of the process, and exit code 3: Kubernetes copies
it into the pod's status. Sets environment variables that numpy and onnxruntime read on import, so
these must not be imported at module level.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

EXIT_REFUSED = 3


def prepare_environment() -> str | None:
    """Limit libraries to one thread, disable telemetry, ensure a metrics folder.

    Returns the temporary folder to remove on exit, or None if the folder was configured.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Workers are the unit of parallelism: library threads would compete with them for the cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return None
    temporary = tempfile.mkdtemp(prefix="ml-model-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = temporary
    return temporary


def main() -> int:
    """Run the service; returns the exit code."""
    started = time.perf_counter()
    temporary = prepare_environment()
    master = os.getpid()
    import orjson

    from app.errors import BundleRefusedError, RefusedError
    from app.observability.metrics import shared_counters
    from app.server import run
    from app.settings import Settings
    from app.timestamps import timestamp

    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    shared_counters.begin(folder)
    try:
        run(Settings.from_environ(os.environ), started)
    except RefusedError as error:
        if isinstance(error, BundleRefusedError):
            shared_counters.count_refusal(folder)
        line = {
            "timestamp": timestamp(time.time()),
            "level": "ERROR",
            "logger": "app",
            "pid": master,
            **error.fields(),
        }
        print(orjson.dumps(line).decode(), flush=True)
        return EXIT_REFUSED
    finally:
        # Workers exit through here too; only the master may remove the folder.
        if temporary is not None and os.getpid() == master:
            shutil.rmtree(temporary, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
