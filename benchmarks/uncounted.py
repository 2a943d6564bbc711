"""The service with its counting taken out: what `make bench-metrics` compares the real one with."""

import sys

from app import __main__ as command
from app.observability.metrics import Metrics


def nothing(*_arguments: object, **_named: object) -> None:
    """Counts nothing."""


if __name__ == "__main__":
    command.prepare_environment()
    Metrics.record = nothing  # type: ignore[method-assign]
    Metrics.look_up = nothing  # type: ignore[method-assign]
    sys.exit(command.main())
