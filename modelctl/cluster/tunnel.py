"""A URL of a service in the cluster, through `kubectl proxy` with the user's own credentials."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelctl.cluster.kube import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVING = re.compile(r"Starting to serve on (127\.0\.0\.1:\d+)")


@contextmanager
def service_url(namespace: str, service: str) -> Iterator[str]:
    """The base URL of a service while the context lasts. Raises UnreachableError."""
    argv = ["kubectl", "proxy", "--port=0"]
    try:
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise UnreachableError("kubectl is not installed", found=str(error)) from error
    try:
        # It prints one line once it listens, or an error and ends.
        line = process.stdout.readline() if process.stdout else ""
        serving = _SERVING.search(line)
        if serving is None:
            raise UnreachableError("`kubectl proxy` failed", found=line.strip())
        path = f"/api/v1/namespaces/{namespace}/services/{service}:http/proxy"
        yield f"http://{serving[1]}{path}"
    finally:
        process.terminate()
        process.wait()
