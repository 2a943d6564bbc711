"""A cluster by its kubeconfig context: read and apply objects with the user's own permissions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelctl import proc

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELD_MANAGER = "modelctl"
TIMEOUT_SECONDS = 15

Object = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """The cluster of a context of the user's kubeconfig; empty means the current one."""

    context: str = ""

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return its stdout. Raises CommandError with kubectl's stderr."""
        context = [f"--context={self.context}"] if self.context else []
        argv = ["kubectl", *context, f"--request-timeout={TIMEOUT_SECONDS}s", *arguments]
        return proc.run(argv, timeout_seconds=4 * TIMEOUT_SECONDS, stdin=stdin)

    def get(self, *arguments: str) -> Object | None:
        """The object or list that `kubectl get ARGUMENTS` returns; None if it does not exist."""
        output = self.kubectl("get", "--ignore-not-found", "--output=json", *arguments)
        result: Object | None = json.loads(output) if output.strip() else None
        return result

    def has_kind(self, resource: str) -> bool:
        """Whether the cluster has a custom resource, such as `applications.argoproj.io`."""
        return self.get("customresourcedefinitions", resource) is not None

    def apply(
        self, objects: Sequence[Object], *, dry_run: bool = False, force: bool = False
    ) -> list[str]:
        """Apply server-side; return kubectl's line for each object.

        `force` takes ownership of conflicting fields; without it, a conflict is an error. With
        `dry_run` the API server validates and persists nothing.
        """
        options = ["--dry-run=server"] if dry_run else []
        options += ["--force-conflicts"] if force else []
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        arguments = ("apply", "--server-side", f"--field-manager={FIELD_MANAGER}", *options, "-f-")
        return self.kubectl(*arguments, stdin=text).splitlines()
