"""`python -m app.healthcheck`: exit code 0 if the service of this container is ready.

For Docker's HEALTHCHECK, which has no HTTP client. Kubernetes probes /ready itself.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 2


def is_ready(port: int) -> bool:
    """Whether /ready on localhost responds 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ.get("PORT") or 8080)) else 1)
