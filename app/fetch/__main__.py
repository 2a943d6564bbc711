"""`python -m app.fetch [--url URL] [--digest DIGEST] [--dir FOLDER]`: the init container's command.

Arguments override environment variables. A refusal is one JSON line, the last one of the process,
and exit code 3, like the service's; Kubernetes copies it into the pod's status and restarts the
container with back-off, which resumes the download.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from app.errors import RefusedError
from app.fetch.download import Download
from app.fetch.progress import log_event
from app.fetch.remote import Remote
from app.fetch.settings import Settings

EXIT_REFUSED = 3
EXIT_TERMINATED = 128 + signal.SIGTERM
VARIABLES = {"url": "MODEL_URL", "digest": "MODEL_DIGEST", "dir": "MODEL_DIR"}


def merged_environment() -> dict[str, str]:
    """The environment variables, overridden by the arguments."""
    parser = argparse.ArgumentParser("python -m app.fetch", description=__doc__)
    for name, variable in VARIABLES.items():
        parser.add_argument(f"--{name}", help=f"override {variable}")
    arguments = vars(parser.parse_args())
    return {**os.environ, **{VARIABLES[key]: value for key, value in arguments.items() if value}}


def main() -> int:
    """Download the bundle; returns the exit code."""
    # The first process of a container ignores SIGTERM unless it has a handler.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_TERMINATED))
    try:
        settings = Settings.from_environ(merged_environment())
        Download(settings, Remote(settings)).run()
    except RefusedError as error:
        log_event(level="ERROR", **error.fields())
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
