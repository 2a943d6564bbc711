"""`python -m app`: the container's command.

A refusal is one JSON line, the last of the process, and exit code 3: Kubernetes puts it into the
pod's status. Sets what must be in the environment before numpy and onnxruntime are imported, which
is why nothing is imported at the top.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

REFUSED = 3


def prepare_environment() -> str | None:
    """One thread per library, no telemetry, a metrics folder.

    Returns the folder to remove at the end when it was made here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Workers are the unit of parallelism: libraries must not start threads beside them.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    made = None
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        made = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="ml-model-metrics-")
    return made


def main() -> int:
    """Run the service; returns the exit code."""
    started = time.perf_counter()
    made = prepare_environment()
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
        return REFUSED
    finally:
        # Workers leave through here as well; only the master may take the folder away.
        if made is not None and os.getpid() == master:
            shutil.rmtree(made, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
