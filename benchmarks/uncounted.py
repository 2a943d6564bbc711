"""The service without metrics, for the comparison of `make bench-metrics`."""

import sys

from app import __main__ as command
from app import environment
from app.observability.metrics import Metrics


def nothing(*_arguments: object, **_named: object) -> None:
    """Count nothing."""


if __name__ == "__main__":
    environment.prepare()
    Metrics.record = nothing  # type: ignore[method-assign]
    Metrics.look_up = nothing  # type: ignore[method-assign]
    sys.exit(command.main())
