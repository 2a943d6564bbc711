"""Values of trainings for tests: on a schedule, and for the requests of a queue.

Knows nothing of what the chart should make of them.
"""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

COMMON: Values = {
    "out": "s3://models",
    "image": {"repository": "example/trainer", "digest": f"sha256:{'e' * 64}"},
    "egress": {"store": {"ports": [{"port": 443}]}},
}
RIGHT: Values = {**COMMON, "schedule": "30 2 * * 0"}
QUEUED: Values = {
    **COMMON,
    "queue": {"url": "nats://nats.messaging:4222", "egress": {"to": {"a": {"podSelector": {}}}}},
    "keda": {"nats": {"endpoint": "nats.messaging:8222"}},
}
BOTH: Values = {"training": {"weekly": RIGHT, "asked": QUEUED}}
