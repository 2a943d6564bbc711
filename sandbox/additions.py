"""What starts beside a running sandbox has in common: what it needs, and the rights of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import kube, process
from sandbox.errors import SandboxError
from sandbox.wait import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.layout import Layout

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def require_running(layout: Layout, purpose: str) -> None:
    """Raise SandboxError when no sandbox runs; `purpose` ends the words "no sandbox to"."""
    if process.find_running(layout, "kube-apiserver") is None:
        raise SandboxError(
            f"no sandbox to {purpose}",
            found="kube-apiserver not running",
            expected="a running sandbox",
            fix="run `make up`",
        )


def require_built(name: str, files: Sequence[Path], *, group: str, target: str) -> None:
    """Raise SandboxError when a file of the tools in `group` is missing, which `target` builds."""
    missing = [f"no {file}" for file in files if not file.exists()]
    if missing:
        raise SandboxError(
            f"{name} is not built",
            found=", ".join(missing),
            expected="the pinned version",
            fix=f"run `python3 -m tools build {group}` (`make {target}` does it)",
        )


def served(layout: Layout, resource: str) -> Answer:
    """Return whether the API server serves a kind; it refuses while it learns of a new one.

    `resource` is the path of the list of its objects.
    """
    return kube.ObjectProbe(layout, resource, lambda _: Answer(True, "served")).check()


def bound(role: Object, user: str) -> list[Object]:
    """Return a Role or ClusterRole, and its binding to a user."""
    metadata = role["metadata"]
    where = {"namespace": metadata["namespace"]} if "namespace" in metadata else {}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": {"name": metadata["name"], **where},
        "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": metadata["name"]},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    }
    return [role, binding]
