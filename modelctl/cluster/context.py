"""One cluster by the name of its context: read objects, apply many, with the user's own rights.

Must not know what the objects are for.
"""

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

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl prints. Raises CommandError, with kubectl's own words, when it fails."""
        context = [f"--context={self.context}"] if self.context else []
        argv = ["kubectl", *context, f"--request-timeout={TIMEOUT_SECONDS}s", *words]
        return proc.run(argv, timeout_seconds=4 * TIMEOUT_SECONDS, stdin=stdin)

    def get(self, *words: str) -> Object | None:
        """The object, or the list of them, that `kubectl get WORDS` finds; None when absent."""
        answer = self.kubectl("get", "--ignore-not-found", "--output=json", *words)
        found: Object | None = json.loads(answer) if answer.strip() else None
        return found

    def knows(self, resource: str) -> bool:
        """Whether the cluster has a kind, such as `applications.argoproj.io`."""
        return self.get("customresourcedefinitions", resource) is not None

    def apply(
        self, objects: Sequence[Object], *, dry_run: bool = False, force: bool = False
    ) -> list[str]:
        """Apply server-side; return kubectl's line for each object.

        With `force`, fields that others own become ours; without, that is an error that names them.
        With `dry_run` the API server checks everything and keeps nothing.
        """
        options = ["--dry-run=server"] if dry_run else []
        options += ["--force-conflicts"] if force else []
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        words = ("apply", "--server-side", f"--field-manager={FIELD_MANAGER}", *options, "-f-")
        return self.kubectl(*words, stdin=text).splitlines()
