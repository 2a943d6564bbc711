"""An API of metrics that a process on the node serves, as the API server aggregates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from sandbox.layout import NODE_IP
from sandbox.objects import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfigs(path: str | Path) -> list[str]:
    """The arguments of such a process that name how it asks the API server."""
    return [f"--{what}-kubeconfig={path}" for what in ("lister", "authentication", "authorization")]


def objects(name: str, port: int, api: str) -> list[dict[str, Any]]:
    """The API of an adapter at a port of the node, the way to it, and the autoscaler's right."""
    manifests = yaml.safe_load_all(
        f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {SYSTEM}}}
spec: {{ports: [{{name: https, port: 443, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}
  namespace: {SYSTEM}
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
endpoints: [{{addresses: [{NODE_IP}], conditions: {{ready: true}}}}]
ports: [{{name: https, protocol: TCP, port: {port}}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1beta1.{api}}}
spec:
  group: {api}
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  # Its certificate is its own, made at the start.
  insecureSkipTLSVerify: true
  service: {{name: {name}, namespace: {SYSTEM}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: e2e:{name}}}
rules: [{{apiGroups: [{api}], resources: ["*"], verbs: [get, list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: e2e:{name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e:{name}}}
subjects: [{{kind: ServiceAccount, name: horizontal-pod-autoscaler, namespace: {SYSTEM}}}]
"""
    )
    return list(manifests)
