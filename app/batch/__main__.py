"""`python -m app.batch --input URL --out URL [--pods N]`: what one pod of a batch Job runs.

The last line of a run that did not succeed says why, and the exit code what to do: 1 try again,
3 do not. Kubernetes' podFailurePolicy knows the difference by it.
"""

# ruff: noqa: E402

from __future__ import annotations

import os
import signal
import sys

EXIT_TERMINATED = 128 + signal.SIGTERM
# The first process of a container is not ended by a signal that nobody handles, and the imports
# below take a second.
signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_TERMINATED))

import logging.config
import threading

from app.batch import inputs, metrics, planning
from app.batch.arguments import Arguments, parse
from app.batch.attempts import fields_of, is_transient
from app.batch.folders import Folder, LocalFolder
from app.batch.model import load
from app.batch.pod import LOGGER, Pod, Progress, is_retryable
from app.environment import EXIT_REFUSED
from app.errors import AppError
from app.model.bundle import verify
from app.observability import logs
from app.settings import Settings

EXIT_FAILED = 1


def run(given: Arguments, settings: Settings, out: Folder) -> int:
    """Do the pod's part; returns the exit code. Raises AppError, OSError."""
    bundle = verify(settings.model_dir, settings.model_digest)
    progress = Progress()
    if settings.metrics_port is not None:
        metrics.serve(progress, settings.metrics_port)
    request = planning.Request(
        bundle=bundle,
        path="",
        inputs=given.inputs,
        shard_rows=given.shard_rows,
        chunk_rows=given.chunk_rows,
        passthrough=given.passthrough,
        ignore=given.ignore,
        probabilities=given.probabilities,
        explain=given.explain,
    )
    model = load(settings.model_dir, bundle.digest, explain=given.explain)
    failures = Pod(given.place, request, out, given.limits, progress).run(model)
    if not failures:
        return 0
    LOGGER.error("batch_failed", extra={"parts_failed": len(failures), **failures[0].fields})
    return EXIT_FAILED if is_retryable(failures) else EXIT_REFUSED


def main() -> int:
    """Run in a thread: a signal is heard at once, whatever a library is doing."""
    logging.config.dictConfig(logs.config("info"))
    try:
        settings = Settings.from_environ(os.environ)
        logging.config.dictConfig(logs.config(settings.log_level))
        given = parse(sys.argv[1:], os.environ)
        out = inputs.open_folder(given.out)
    except AppError as error:
        return _refused(error)

    def terminate(*_: object) -> None:
        if isinstance(out, LocalFolder):
            out.discard()
        os._exit(EXIT_TERMINATED)

    signal.signal(signal.SIGTERM, terminate)
    codes: list[int] = []
    worker = threading.Thread(target=lambda: codes.append(_code(given, settings, out)), daemon=True)
    worker.start()
    worker.join()
    return codes[0]


def _code(given: Arguments, settings: Settings, out: Folder) -> int:
    try:
        return run(given, settings, out)
    except (AppError, OSError) as error:
        return _refused(error)
    except Exception:
        LOGGER.exception("batch_failed")
        return EXIT_FAILED


def _refused(error: AppError | OSError) -> int:
    may_pass = is_transient(error)
    LOGGER.error("batch_failed" if may_pass else "batch_refused", extra=fields_of(error))
    return EXIT_FAILED if may_pass else EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
