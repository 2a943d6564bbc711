"""What a step of a load test found: answers by status, and how long they took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

SHOWN = (50.0, 90.0, 99.0, 99.9)
# A later start than this is the load generator's own delay, not the service's.
LATE_SECONDS = 0.01
# Above this share of late requests the generator is part of what was measured.
LATE_SHARE = 0.01


@dataclass
class Answers:
    """The requests of one step.

    `latencies`: seconds from when each answered request was due to the end of its answer, so that a
    service that stalls cannot hide it by holding up its clients ("coordinated omission", Gil Tene).
    """

    rate: float
    seconds: float
    sent: int = 0
    # Sent later than due although a connection was free.
    late: int = 0
    # By HTTP status or name of gRPC status.
    statuses: Counter[str] = field(default_factory=Counter)
    # What got no answer, by reason.
    failures: Counter[str] = field(default_factory=Counter)
    ok: int = 0
    latencies: list[float] = field(default_factory=list)
    # Until the last answer.
    elapsed: float = 0.0

    @property
    def error_share(self) -> float:
        """The share of requests without a prediction, from 0 to 1."""
        return 1 - self.ok / self.sent if self.sent else 0.0

    @property
    def goodput(self) -> float:
        """Predictions answered per second."""
        return self.ok / max(self.elapsed, self.seconds)

    @property
    def is_held_up(self) -> bool:
        """Whether the load generator could not keep its pace."""
        return self.late > LATE_SHARE * self.sent

    def percentile(self, percent: float) -> float:
        """A percentile of the latencies of predictions, in seconds; infinite without any."""
        if not self.latencies:
            return float("inf")
        return float(np.percentile(self.latencies, percent, method="higher"))

    def document(self) -> dict[str, object]:
        """As a JSON document; latencies in milliseconds, None without any."""
        names = {f"p{percent:g}": percent for percent in (*SHOWN, 99.99)} | {"max": 100.0}
        return {
            "rate": self.rate,
            "seconds": self.seconds,
            "sent": self.sent,
            "ok": self.ok,
            "statuses": dict(sorted(self.statuses.items())),
            "failures": dict(sorted(self.failures.items())),
            "error_share": round(self.error_share, 6),
            "goodput": round(self.goodput, 1),
            "late": self.late,
            "latency_ms": {
                name: round(self.percentile(percent) * 1e3, 3) if self.latencies else None
                for name, percent in names.items()
            },
        }
