"""`python -m app.fetch [--url URL] [--digest DIGEST] [--dir FOLDER]`: the init container's command.

What is not given as an argument comes from the environment. A refusal is one JSON line, the last
of the process, and exit code 3, as of the service; Kubernetes puts it into the pod's status and
starts the container again after a pause, which goes on where this one ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from app.errors import RefusedError
from app.fetch.download import Download
from app.fetch.progress import say
from app.fetch.remote import Remote
from app.fetch.settings import Settings

REFUSED = 3
TERMINATED = 128 + signal.SIGTERM
VARIABLES = {"url": "MODEL_URL", "digest": "MODEL_DIGEST", "dir": "MODEL_DIR"}


def environment() -> dict[str, str]:
    """The environment with the arguments put over it."""
    parser = argparse.ArgumentParser("python -m app.fetch", description=__doc__)
    for name, variable in VARIABLES.items():
        parser.add_argument(f"--{name}", help=f"instead of {variable}")
    given = vars(parser.parse_args())
    return {**os.environ, **{VARIABLES[key]: value for key, value in given.items() if value}}


def main() -> int:
    """Fetch; returns the exit code."""
    # The first process of a container ignores SIGTERM unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    try:
        settings = Settings.from_environ(environment())
        Download(settings, Remote(settings)).run()
    except RefusedError as error:
        say(level="ERROR", **error.fields())
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
