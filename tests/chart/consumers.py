"""Values of consumers for tests: one that is right, and ways in which others differ from it.

Knows nothing of what the chart should make of them.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.chart import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

Values = dict[str, Any]

RIGHT: Values = {
    "enabled": True,
    "queue": {"url": "nats://nats.messaging:4222", "egress": {"to": {"a": {"podSelector": {}}}}},
    "replies": {"egress": {"to": {"a": {"podSelector": {}}}}},
}
NAMES = ["flowers", "a" * 200, "a" * 201, "Iris_2", "a.b", "a b", "ä", "iris-dead", "iris-replies"]
URLS = [
    *(
        "",
        "nats",
        "nats://",
        "nats:///",
        "nats://a",
        "nats://a:4222",
        "nats://a:0",
        "nats://a:70000",
    ),
    *("nats://a/b", "nats://a:b", "nats://[::1]:4222", "nats://a b", "nats://a?b", "nats://u@a"),
    *("tls://nats.messaging.svc.cluster.local", "redis://a", "redis://a/0", "redis://a/b"),
    *(
        "redis://a:6379/1/2",
        "rediss://u:p@a",
        "rediss://a.b.c:1/15",
        "amqp://a",
        "kafka://a:9092",
        "mqtt://a",
    ),
    *("kafka+ssl://a,b:9092?mechanism=PLAIN", "kafka://a?x=y", "amqps://a/b/c", "amqp://a/b"),
    *("NATS://a", "nats://A.example", "nats://a$(B)", "nats://-a", "nats://10.0.0.1:4222"),
]
SECRET = {"secretName": "a"}
# Path of the key -> values, of which some are refused: by the chart, or by what reads them later.
POOLS: dict[str, list[Any]] = {
    "queue.url": URLS,
    "queue.name": NAMES,
    "queue.group": NAMES,
    "queue.dead": [*NAMES, "iris"],
    "queue.path": ["/", "/v2/models/iris/infer", "predict", "/a b", "/a?b", "", "/$(A)"],
    "queue.prefetch": [0, 1, 10_000, 10_001, 1.5],
    "queue.ackSeconds": [0, 2, 10, 11, 3600, 3601],
    "queue.retrySeconds": [-1, 0, 0.25, 3600, 3601],
    "queue.maxDeliveries": [0, 1, 1000, 1001],
    "queue.egress.port": [0, 1, 65535, 65536, "auto", "http"],
    "queue.egress.to": [{}, {"a": {"ipBlock": {"cidr": "10.0.0.0/8"}}}, {"a": None}],
    "replies.name": [*NAMES, "iris"],
    "replies.url": [
        *URLS,
        *(
            "s3://a",
            "s3://a/b/c",
            "gs://",
            "az://a/b",
            "file:///answers/a",
            "file://a",
            "https://a",
        ),
    ],
    "replies.hours": [0, 0.001, 1, 100_000, 100_001],
    "credentials": [
        *({**SECRET, "password": "p"}, {**SECRET, "user": "u", "password": "p"}, SECRET),
        *({**SECRET, "user": "u"}, {"password": "p"}, {**SECRET, "file": "user.creds"}),
        *(
            {**SECRET, "ca": "c"},
            {"secretName": "A_", "password": "p"},
            {**SECRET, "password": "a b"},
        ),
        *({**SECRET, "password": ".."}, {**SECRET, "password": "..p"}, {**SECRET, "file": ".x"}),
    ],
    "image": [
        *({"tag": "2"}, {"repository": "a"}, {"repository": "a", "tag": "1"}, {"tag": "-"}),
        *({"registry": "a"}, {"digest": "sha256:1"}, {"pullPolicy": "Never"}),
    ],
    "env": [
        *({"A": 1, "b_2": True}, {"QUEUE_URL": "x"}, {"A": {}}, {"A": None}),
        {"A": {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}},
    ],
    "envFrom": [{"a": {"secretRef": {"name": "a"}}}, {"a": {"prefix": "b"}}, {"a": None}],
    "replicas": [-1, 0, 1, 10_000, 10_001],
    "resources": batches.RESOURCES,
    "autoscaling": [
        *({"enabled": True}, {"enabled": True, "nats": {"endpoint": "nats.messaging:8222"}}),
        {"enabled": True, "minReplicas": 5, "nats": {"endpoint": "nats:8222"}},
        *({"nats": {"endpoint": "http://nats:8222"}}, {"nats": {"endpoint": "nats"}}),
        {"enabled": True, "messagesPerPod": 0},
    ],
    "alerts.oldestSeconds": [0, 1],
}


def generated(seed: int, count: int) -> Iterator[Values]:
    """Each value of each pool once, then mixtures of two, reproducibly."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for key, pool in POOLS.items():
        for value in pool:
            yield _with(RIGHT, key, value)
    for _ in range(count):
        values = RIGHT
        for key in chance.sample(sorted(POOLS), 2):
            values = _with(values, key, chance.choice(POOLS[key]))
        yield values


def _with(values: Values, key: str, value: Any) -> Values:
    """A copy with one value changed."""
    first, _, rest = key.partition(".")
    return values | {first: _with(values.get(first, {}), rest, value) if rest else value}
