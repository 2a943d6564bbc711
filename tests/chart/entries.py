"""Entries of values as large as they can be: whatever Kubernetes has in them, users may write."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

SELECTOR: Values = {
    "matchLabels": {"a": "b"},
    "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "a", "operator": "Exists"},
    ],
}
HTTP: Values = {
    "path": "/a",
    "port": "a",
    "scheme": "HTTPS",
    "httpHeaders": [{"name": "A", "value": "b"}],
}
TIMES: Values = {
    "initialDelaySeconds": 1,
    "periodSeconds": 2,
    "timeoutSeconds": 1,
    "failureThreshold": 2,
    "successThreshold": 1,
}
PROFILE: Values = {"type": "Localhost", "localhostProfile": "a"}
CONTAINER: Values = {
    "image": "a.example/a:1",
    "imagePullPolicy": "Always",
    "command": ["a"],
    "args": ["b"],
    "workingDir": "/a",
    "env": {
        "A": {"value": "a"},
        "B": {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        "C": {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b", "optional": True}}},
        "D": {"valueFrom": {"configMapKeyRef": {"name": "a", "key": "b", "optional": True}}},
        "E": {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
    },
    "ports": {"a": 81},
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "appArmorProfile": PROFILE,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        "privileged": False,
        "procMount": "Default",
        "readOnlyRootFilesystem": False,
        "runAsGroup": 5,
        "runAsNonRoot": True,
        "runAsUser": 5,
        "seLinuxOptions": {"level": "s0", "type": "container_t"},
        "seccompProfile": PROFILE,
    },
    "volumeMounts": {"empty": {"mountPath": "/a", "subPath": "b", "readOnly": False}},
}
SIDECAR: Values = CONTAINER | {
    "startupProbe": {"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 5, **TIMES},
    "readinessProbe": {"httpGet": HTTP, **TIMES},
    "livenessProbe": {"grpc": {"port": 82, "service": "a"}, **TIMES},
    "lifecycle": {"postStart": {"exec": {"command": ["a"]}}, "preStop": {"sleep": {"seconds": 3}}},
}
OTHER_SIDECAR: Values = {
    "image": "a",
    "ports": {"a": 82},
    "livenessProbe": {"tcpSocket": {"port": 80}},
    "readinessProbe": {"tcpSocket": {"port": "a"}, "successThreshold": 2},
    "lifecycle": {"postStart": {"httpGet": HTTP}, "preStop": {"tcpSocket": {"port": 80}}},
}
ITEMS = {"items": [{"key": "a", "path": "b", "mode": 256}], "optional": True}
FILES: list[Values] = [
    {"path": "a", "mode": 256, "fieldRef": {"fieldPath": "metadata.labels"}},
    {"path": "b", "resourceFieldRef": {"containerName": "model", "resource": "limits.memory"}},
]
SOURCES: Values = {
    "configMap": {"name": "a", "defaultMode": 256, **ITEMS},
    "csi": {
        "driver": "a.example",
        "fsType": "ext4",
        "readOnly": True,
        "volumeAttributes": {"a": "b"},
        "nodePublishSecretRef": {"name": "a"},
    },
    "downwardAPI": {"items": FILES, "defaultMode": 256},
    "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"},
    "ephemeral": {
        "volumeClaimTemplate": {
            "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "a",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    },
    "image": {"reference": "a.example/a:1", "pullPolicy": "Always"},
    "persistentVolumeClaim": {"claimName": "a", "readOnly": True},
    "projected": {
        "defaultMode": 256,
        "sources": [
            {"configMap": {"name": "a", **ITEMS}},
            {"secret": {"name": "a", "items": [{"key": "a", "path": "c"}]}},
            {"downwardAPI": {"items": [{**FILES[0], "path": "d"}]}},
            {"serviceAccountToken": {"audience": "a", "expirationSeconds": 700, "path": "e"}},
        ],
    },
    "secret": {"secretName": "a", "defaultMode": 256, **ITEMS},
}
# Which a namespace may have to allow.
FREE_SOURCES: Values = {
    "hostPath": {"path": "/a", "type": "Directory"},
    "nfs": {"server": "a", "path": "/a", "readOnly": True},
}
NODES: Values = {
    "matchExpressions": [
        {"key": "a", "operator": "NotIn", "values": ["b"]},
        {"key": "a", "operator": "Gt", "values": ["1"]},
        {"key": "a", "operator": "DoesNotExist"},
    ],
    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}],
}
TERM: Values = {
    "topologyKey": "a",
    "labelSelector": SELECTOR,
    "namespaceSelector": SELECTOR,
    "namespaces": ["a"],
}
PODS: Values = {
    "requiredDuringSchedulingIgnoredDuringExecution": [TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": TERM}],
}
AFFINITY: Values = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODES]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": NODES}],
    },
    "podAffinity": PODS,
    "podAntiAffinity": PODS,
}
ADDRESSES: Values = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
PEERS: Values = {
    "a": ADDRESSES,
    "b": {"podSelector": SELECTOR, "namespaceSelector": SELECTOR},
    "c": {"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]}},
}
EGRESS: Values = {
    "to": list(PEERS.values()),
    "ports": [
        {"protocol": "TCP", "port": 80, "endPort": 90},
        {"protocol": "UDP", "port": "dns"},
    ],
}
RUN_EGRESS: Values = EGRESS | {"ports": [{"protocol": "TCP", "port": 443}]}
AVERAGE = {"type": "AverageValue", "averageValue": "5"}
WHAT: Values = {"name": "a", "selector": SELECTOR}
METRICS: Values = {
    "container": {
        "type": "ContainerResource",
        "containerResource": {
            "container": "model",
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 50},
        },
    },
    "external": {"type": "External", "external": {"metric": WHAT, "target": AVERAGE}},
    "object": {
        "type": "Object",
        "object": {
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "a"},
            "metric": WHAT,
            "target": {"type": "Value", "value": "5"},
        },
    },
    "pods": {"type": "Pods", "pods": {"metric": WHAT, "target": AVERAGE}},
    "resource": {"type": "Resource", "resource": {"name": "memory", "target": AVERAGE}},
}
TRIGGER: Values = {
    "type": "cron",
    "name": "a",
    "metadata": {"timezone": "UTC"},
    "metricType": "AverageValue",
    "useCachedMetrics": True,
    "authenticationRef": {"name": "a", "kind": "TriggerAuthentication"},
}
VOLUMES: Values = {
    name.lower(): {"source": {name: source}} for name, source in (SOURCES | FREE_SOURCES).items()
}
# What is tried with one another around it.
TOGETHER: dict[str, Values] = {
    "containers": {
        "initContainers": {"first": CONTAINER | {"ports": {}}},
        "sidecars": {"beside": SIDECAR, "other": OTHER_SIDECAR},
        "volumes": {"empty": {"source": {"emptyDir": {}}}},
    },
    "volumes": {"volumes": VOLUMES},
    "places": {
        "affinity": AFFINITY,
        "antiAffinity": "none",
        "tolerations": {
            "a": {
                "key": "a",
                "operator": "Equal",
                "value": "b",
                "effect": "NoExecute",
                "tolerationSeconds": 5,
            },
            "b": {"operator": "Exists"},
        },
    },
    "network": {
        "networkPolicy": {
            "enabled": True,
            "from": PEERS,
            "metricsFrom": PEERS,
            "egress": {"a": EGRESS},
        }
    },
    "scaling": {
        "autoscaling": {"enabled": True, "metrics": METRICS},
        "keda": {"enabled": False},
        "verticalAutoscaling": {"enabled": False},
    },
    "triggers": {
        "autoscaling": {"enabled": False},
        "keda": {"enabled": True, "triggers": {"a": TRIGGER}},
    },
    "batch": {
        "batch": {
            "a": {
                "inputs": {"a": "/secret/a.csv"},
                "out": "/persistentVolumeClaim/a",
                "affinity": AFFINITY,
                "egress": {"a": RUN_EGRESS},
                "env": CONTAINER["env"],
                "volumes": {
                    name.lower(): {
                        "source": {name: source},
                        "mountPath": f"/{name}",
                        "readOnly": False,
                    }
                    for name, source in (
                        SOURCES | {"persistentVolumeClaim": {"claimName": "a"}}
                    ).items()
                },
            }
        }
    },
}
