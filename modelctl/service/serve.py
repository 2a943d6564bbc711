"""Serve a bundle on this machine, by the very command that the container runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from modelctl.packaging.bundles import verified

if TYPE_CHECKING:
    from pathlib import Path


def environment(bundle: Path, *, host: str, port: int, workers: int | None) -> dict[str, str]:
    """The variables of `python -m app` for this bundle. Raises RefusedError.

    The digest is read here and checked again there, so that what was named is what is served.
    """
    variables = {
        "MODEL_DIR": str(bundle.resolve()),
        "MODEL_DIGEST": verified(bundle).digest,
        "HOST": host,
        "PORT": str(port),
    }
    return variables | ({} if workers is None else {"WORKERS": str(workers)})


def become_server(variables: dict[str, str]) -> None:
    """Replace this process by the service, so that signals reach it directly."""
    os.execve(sys.executable, [sys.executable, "-m", "app"], {**os.environ, **variables})  # noqa: S606
