"""Serve a bundle on this machine, with the command that the container runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path


def environment(bundle: Path, *, host: str, port: int, workers: int | None) -> dict[str, str]:
    """The environment variables of `python -m app` for this bundle. Raises RefusedError.

    The service verifies the digest again, so that it serves exactly the verified bundle.
    """
    variables = {
        "MODEL_DIR": str(bundle.resolve()),
        "MODEL_DIGEST": verify_bundle(bundle).digest,
        "HOST": host,
        "PORT": str(port),
    }
    return variables | ({} if workers is None else {"WORKERS": str(workers)})


def become_server(variables: dict[str, str]) -> None:
    """Replace this process with the service, so that signals reach it directly."""
    os.execve(sys.executable, [sys.executable, "-m", "app"], {**os.environ, **variables})  # noqa: S606
