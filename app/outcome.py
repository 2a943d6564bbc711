"""What became of one request: the single value that feeds both the metrics and the log line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.contract import Label
    from app.tracecontext import TraceContext


@dataclass(slots=True)
class Outcome:
    """Filled while a request is handled. `kind` is `ok` or the kind of a RequestError."""

    route: str
    request_id: str
    status: int = 500
    kind: str = "internal"
    rows: int = 0
    seconds: float = 0.0
    input_sha256: str = ""
    values: list[Label] = field(default_factory=list)
    # The caller's, if the request named one.
    trace: TraceContext | None = None
    # An exception of ours; its stack trace is for the log only.
    failure: Exception | None = None
