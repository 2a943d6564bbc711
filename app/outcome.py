"""What became of one request: the single value that feeds both the metrics and the log line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.contract import Label
    from app.errors import FieldError
    from app.metrics.tally import Tally
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
    # Of a request for a prediction: how long nobody worked on it, and what each phase took
    # (preprocess, inference, postprocess), all in seconds.
    waited: float = 0.0
    phases: tuple[float, float, float] = (0.0, 0.0, 0.0)
    # What the answer adds to the metrics, or what was wrong with the request.
    tally: Tally | None = None
    errors: list[FieldError] = field(default_factory=list)
    reason: str = ""
    input_sha256: str = ""
    values: list[Label] = field(default_factory=list)
    # The caller's, if the request named one.
    trace: TraceContext | None = None
    # An exception of ours; its stack trace is for the log only.
    failure: Exception | None = None
