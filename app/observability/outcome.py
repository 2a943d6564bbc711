"""What became of one request: the single value that feeds both the metrics and the log line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.errors import FieldError
    from app.model.contract import Label
    from app.model.validation import Batch
    from app.observability.trace_context import TraceContext


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
    # When it was complete, and when the phases began (time.perf_counter()).
    received: float = 0.0
    begun: float = 0.0
    phases: tuple[float, float, float] = (0.0, 0.0, 0.0)
    # What was predicted and how surely, until the metrics have it; of many rows the bins of their
    # values instead (see Metrics.look_up).
    batch: Batch | None = None
    probabilities: Any = None
    bins: Any = None
    # What was wrong with the request.
    errors: Sequence[FieldError] = ()
    reason: str = ""
    input_sha256: str = ""
    values: list[Label] = field(default_factory=list)
    # The caller's, if the request named one; of a request that is traced its own, below `caller`.
    trace: TraceContext | None = None
    caller: TraceContext | None = None
    traced: bool = False
    # An exception of ours; its stack trace is for the log only.
    failure: Exception | None = None
