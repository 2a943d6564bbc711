"""Values of batches for tests: one that is right, and ways in which others differ from it.

Knows nothing of what the chart should make of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from tests import rendering

Values = dict[str, Any]


PORTS = [{"port": 443}]
RIGHT: Values = {
    "schedule": "30 2 * * *",
    "inputs": {"rows": "s3://rows/today/"},
    "out": "s3://scored",
    "egress": {"store": {"ports": PORTS}},
}
DISK: Values = {
    "inputs": {"rows": "/data/in"},
    "out": "/data/out",
    "volumes": {
        "data": {
            "source": {"persistentVolumeClaim": {"claimName": "rows"}},
            "mountPath": "/data",
            "readOnly": False,
        }
    },
}


def _claim(path: str, **more: Any) -> Values:
    return {"source": {"persistentVolumeClaim": {"claimName": "a"}}, "mountPath": path, **more}


def _to(cidr: str, **more: Any) -> Values:
    return {"a": {"ports": PORTS, "to": [{"ipBlock": {"cidr": cidr, **more}}]}}


# Resources of a container, as consumers have them too.
RESOURCES: list[Values] = [
    {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    for cpu, memory in (
        ("500m", "1Gi"),
        (0.5, "1.5Gi"),
        (2, "2Mi"),
        ("1e3", "1Gi"),
        ("1", "1G"),
    )
]
# Key -> values, of which the API server takes some and refuses others.
POOLS: dict[str, list[Any]] = {
    "schedule": [
        *(
            "",
            "@hourly",
            "@yearly",
            "@reboot",
            "@every 1h",
            "* * * * *",
            "*/5 * * * *",
            "5/10 * * * *",
        ),
        *(
            "0 0 * * 7",
            "0 0 * * sun",
            "0 0 * * SUN-SAT",
            "0 0 1 JAN,jul *",
            "0 24 * * *",
            "60 * * * *",
        ),
        *("0 0 0 * *", "0 0 31 2 *", "0 0 * 13 *", "1-5/2,7 * * * *", "5-1 * * * *", "*/0 * * * *"),
        *("0 0 * *", "0 0 * * * *", "TZ=UTC 0 0 * * *", "08 09 * * *", "0  0 * * *", " 0 0 * * *"),
        *("0 0 ? * *", "a * * * *", "1,,2 * * * *", "*-5 * * * *", "*/61 * * * *", "1-2-3 * * * *"),
        *("0 0 * * mon-7", "-1 * * * *", "1.5 * * * *", "0 0 L * *", "@daily ", "00 00 01 01 00"),
    ],
    "timeZone": [
        *("Etc/UTC", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Local", "local"),
        *("europe/berlin", "Mars/Olympus", "../etc", "Etc/GMT+5", "Europe/", "", "EST5EDT", "CET"),
        *("America/Port-au-Prince", "/UTC", "Antarctica/Troll", "Etc/Zulu", "Europe/./Berlin"),
    ],
    "suspend": [True],
    "startingDeadlineSeconds": [0, 10, -1, 31536000],
    "successfulJobsHistoryLimit": [0, -1, 100],
    "failedJobsHistoryLimit": [0, 5],
    "chunkRows": [1, 0],
    "maxRejected": [0, 0.05, 1, "auto", 2],
    "planTimeoutSeconds": [1, 21600],
    "metrics": [{"enabled": True}, {"enabled": True, "port": 80}],
    "passthrough": [["id"], ["-x", "a b", "$(JOB_NAME)", "ä"], [""]],
    "ignore": [["row", "$"]],
    "probabilities": [True],
    "explain": [True, False],
    "pods": [0, 1, 2, 11, 101, 1000, 1001, -1],
    "backoffLimitPerIndex": [0, -1, 100],
    "maxFailedIndexes": [0, 1, 2, 11, -1],
    "activeDeadlineSeconds": [0, 1, 31536000],
    "ttlSecondsAfterFinished": [0, -1],
    "image": [
        {"repository": "example/batch", "tag": "1"},
        {"repository": "example/batch", "digest": f"sha256:{'a' * 64}", "pullPolicy": "Never"},
        *({"tag": "2"}, {"tag": "-"}, {"repository": "a b", "tag": "1"}, {"repository": "a"}),
    ],
    "resources": RESOURCES,
    "tmpSize": ["64Mi", "0Mi", "1.5Gi", "x"],
    "env": [
        *({"A": 1, "b_2": True, "C": "$(JOB_NAME)", "D": 1.5}, {"1A": "x"}, {"A=B": "x"}),
        {"A": {"valueFrom": {"secretKeyRef": {"name": "a.b", "key": "x.y"}}}},
        {"A": {"valueFrom": {"secretKeyRef": {"name": "A", "key": "x"}}}},
        {"A": {"valueFrom": {"configMapKeyRef": {"name": "a", "key": "x", "optional": True}}}},
        {"A": {"valueFrom": {}}},
        {"JOB_NAME": "x"},
    ],
    "envFrom": [
        {"a": {"secretRef": {"name": "a"}, "prefix": "A_"}},
        {"a": {"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}},
        {"a": {"configMapRef": {"name": "a_b"}}},
        {"a": {"configMapRef": {"name": "a"}, "prefix": "1="}},
    ],
    "volumes": [
        {"a": _claim("/a"), "b": _claim("/a")},
        *({"a": _claim("/a"), "b": _claim("/a/b", subPath="c/d")}, {"A": _claim("/a")}),
        *({"a": _claim("/a:b")}, {"a": _claim("a")}, {"a": _claim("/a", subPath="../b")}),
        *(
            {"tmp": _claim("/a")},
            {"a": _claim("/tmp")},
            {"a": _claim("/a/")},
            {"a.b": _claim("/a")},
        ),
        {
            "s": {"source": {"secret": {"secretName": "a", "optional": True}}, "mountPath": "/s"},
            "c": {"source": {"configMap": {"name": "a"}}, "mountPath": "/c"},
            "e": {"source": {"emptyDir": {"sizeLimit": "1Gi"}}, "mountPath": "/e"},
            "i": {
                "source": {"csi": {"driver": "store.csi.io", "volumeAttributes": {"a": "b"}}},
                "mountPath": "/i",
            },
        },
        {"a": {"source": {"secret": {"secretName": "a"}, "emptyDir": {}}, "mountPath": "/a"}},
        {"a": {"source": {"secret": {"secretName": "a_b"}}, "mountPath": "/a"}},
        {"a": {"source": {"csi": {"driver": "-"}}, "mountPath": "/a"}},
    ],
    "serviceAccountName": ["writer", "a.b", "A", "a_b"],
    "nodeSelector": [{"a.b/c": "d", "e": ""}, {"a b": "c"}, {"a": "b c"}, {"/a": "b"}, {"a": "1"}],
    "tolerations": [
        *(
            {"a": {"operator": "Exists"}},
            {"a": {"key": "spot", "value": "1"}},
            {"a": {"value": "x"}},
        ),
        *({"a": {"key": "a b"}}, {"a": {"key": "a", "operator": "Exists", "value": "x"}}),
        {"a": {"key": "a", "operator": "Exists", "tolerationSeconds": 5}},
        {"a": {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}},
    ],
    "priorityClassName": ["low", "Low", "a_b"],
    "podLabels": [
        *({"a": "b"}, {"job-name": "a"}, {"batch.kubernetes.io/job-name": "a"}, {"a": "b c"}),
        {"app.kubernetes.io/instance": "iris"},
    ],
    "podAnnotations": [{"a/b": "c d\n"}, {"a b": "c"}],
    "egress": [
        *(
            _to("10.0.0.0/8"),
            _to("10.0.0.1/8"),
            _to("10.0.0.1/32"),
            _to("256.0.0.0/8"),
            _to("::/0"),
        ),
        *(
            _to("fd00::/8"),
            _to("fd01::/8"),
            _to("fd00:1::/32"),
            _to("fd00:1::/16"),
            _to("01.0.0.0/8"),
        ),
        *(_to("0.0.0.0/0", **{"except": ["169.254.169.254/32"]}), _to("0.0.0.0/0")),
        *(_to("10.0.0.0/8", **{"except": ["11.0.0.0/16"]}), _to("192.168.128.0/17")),
        _to("192.168.128.0/16"),
        {"a": {"ports": PORTS, "to": [{"namespaceSelector": {"matchLabels": {"a": "b c"}}}]}},
        {"a": {"ports": PORTS, "to": [{"namespaceSelector": {}, "podSelector": {}}]}},
        {"a": {"ports": [{"port": 0}]}},
        {"a": {"ports": [{"port": 53, "protocol": "UDP"}], "to": []}},
    ],
    "kueue": [{"queue": "nightly"}, {"queue": "Nightly"}, {"queue": "a" * 64}],
}
NAMES = [
    *("nightly", "a", "1", "a-b", "A", "a.b", "-a", "a-", "a_b"),
    *("n" * length for length in (38, 39, 40, 41, 42, 43, 60)),
]


def generated(seed: int, count: int) -> Iterator[tuple[str, Values]]:
    """Each value of each pool at least once, then mixtures: (name, values), reproducibly."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for key, pool in POOLS.items():
        for value in pool:
            yield "nightly", _with({key: value}, DISK if key == "volumes" else RIGHT)
    for name in NAMES:
        yield name, RIGHT
    for _ in range(count):
        keys = chance.sample(sorted(POOLS), 2)
        name = chance.choice(NAMES[:4] + NAMES[9:14])
        yield name, _with({key: chance.choice(POOLS[key]) for key in keys}, RIGHT)


def _with(values: Values, below: Values) -> Values:
    """Volumes are added to those that the inputs need."""
    result = below | values
    if "volumes" in below and "volumes" in values:
        result["volumes"] = below["volumes"] | values["volumes"]
    return result


def vague(results: Iterable[rendering.Result]) -> list[str]:
    """Refusals that neither are the schema's nor name the key to set."""
    refused = [result.stderr for result in results if result.code]
    return [
        text
        for text in refused
        if "values don't meet the specifications" not in text
        and not ("ERROR: " in text and ("; set " in text or "; remove " in text))
    ]
