"""`python -m app`: the container's command.

A refusal to start is one JSON line, the last one of the process, and exit code 3. numpy and
onnxruntime must not be imported at module level: `environment` comes first.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from app import environment
from app.environment import EXIT_REFUSED
from app.errors import BundleRefusedError, RefusedError


def main() -> int:
    """Run the service; returns the exit code."""
    started = time.perf_counter()
    master = os.getpid()
    temporary = None
    try:
        temporary = environment.prepare()
        _run(started)
    except RefusedError as error:
        print(environment.refusal_line(error, master), flush=True)
        return EXIT_REFUSED
    finally:
        # Workers exit through here too; only the master may remove the folder.
        if temporary is not None and os.getpid() == master:
            shutil.rmtree(temporary, ignore_errors=True)
    return 0


def _run(started: float) -> None:
    from app.listening import begin_counting
    from app.observability.metrics import shared_counters
    from app.server import run
    from app.settings import Settings

    settings = Settings.from_environ(os.environ)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    begin_counting(folder)
    try:
        run(settings, started)
    except BundleRefusedError:
        shared_counters.count_refusal(folder)
        raise


if __name__ == "__main__":
    sys.exit(main())
