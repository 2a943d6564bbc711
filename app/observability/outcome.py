"""The outcome of one request: the single source of its metrics, log line and spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.errors import FieldError
    from app.model.validation import Batch
    from app.observability.trace_context import TraceContext


@dataclass(slots=True)
class Outcome:
    """Filled while a request is handled. `kind` is `ok` or the kind of a RequestError."""

    route: str
    request_id: str
    # Whether explanations were asked for: such rows are no traffic of the model.
    explained: bool = False
    # Whether only an answer in memory is wanted (see `routes.stored_work`).
    stored_only: bool = False
    status: int = 500
    kind: str = "internal"
    rows: int = 0
    seconds: float = 0.0
    # Of a prediction request: time in the queue, and duration of each phase (preprocess, inference,
    # postprocess), in seconds.
    waited: float = 0.0
    # When the request was complete and when the phases started (time.perf_counter()).
    received: float = 0.0
    begun: float = 0.0
    phases: tuple[float, float, float] = (0.0, 0.0, 0.0)
    # Rows and probabilities until the metrics have counted them; of many rows the bins of their
    # values instead (see Metrics.look_up).
    batch: Batch | None = None
    probabilities: Any = None
    bins: Any = None
    # Errors of a rejected request.
    errors: Sequence[FieldError] = ()
    reason: str = ""
    input_sha256: str = ""
    values: list[Any] = field(default_factory=list)
    # The caller's context, if it sent one; of a traced request its own, a child of `caller`.
    trace: TraceContext | None = None
    caller: TraceContext | None = None
    traced: bool = False
    # An internal error; its stack trace is for the log only.
    failure: Exception | None = None
