"""Call the API server from inside the network namespace: read one object, apply many.

Must not know what the objects are for.
"""

from __future__ import annotations

import datetime
import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox import kubeconfig, netns, watch
from sandbox.errors import SandboxError
from sandbox.probes import get as http_get
from sandbox.probes import stream as http_stream
from sandbox.proc import Result, run
from sandbox.wait import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sandbox.layout import Layout

FIELD_MANAGER = "ml-model-sandbox"
_APPLY = ("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}")


def get(layout: Layout, path: str) -> dict[str, Any] | None:
    """Return the object or list at `path` of the API (as administrator), None when it is absent.

    Raises SandboxError when the API server cannot be reached or refuses.
    """
    url = f"{kubeconfig.INNER_SERVER}{path}"
    try:
        ca, cert, key = _administrator(layout)
        status, body = http_get(url, ca=ca, cert=cert, key=key)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(layout, url, str(error)) from error
    if status == 404:
        return None
    if status != 200:
        raise _unreachable(layout, url, f"status {status}: {body[:300]}")
    answer: dict[str, Any] = json.loads(body)
    return answer


@contextmanager
def watching(layout: Layout, *paths: str) -> Iterator[Callable[[float], None]]:
    """Watch lists of the API meanwhile; gives a pause for `wait_until` that a change ends early."""
    with watch.watching([partial(_changes, layout, path) for path in paths]) as pause:
        yield pause


def events(layout: Layout, path: str, since: str = "") -> Iterator[dict[str, Any]]:
    """Yield each change of a list as `{type, object}`, until the stream ends or is silent.

    `since` is the resource version after which it begins; empty: with what there is. Raises OSError
    or HTTPException.
    """
    yield from map(json.loads, _changes(layout, path, since))


def _changes(layout: Layout, path: str, since: str = "") -> Iterator[bytes]:
    """The lines of a watch of a list."""
    ca, cert, key = _administrator(layout)
    begin = f"&resourceVersion={since}" if since else ""
    url = f"{kubeconfig.INNER_SERVER}{path}?watch=true{begin}"
    return http_stream(url, ca=ca, cert=cert, key=key)


def _administrator(layout: Layout) -> tuple[Path, Path, Path]:
    """The files of the authority, and of the administrator's certificate and key."""
    return layout.pki / "ca.crt", layout.pki / "admin.crt", layout.pki / "admin.key"


def apply(layout: Layout, objects: Sequence[dict[str, Any]]) -> Result:
    """Apply `objects` server-side, taking over fields that others set. Raises CommandError."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    return kubectl(layout, [*_APPLY, "-f-"], stdin=text)


def apply_file(layout: Layout, path: Path) -> Result:
    """Apply the objects of a YAML file, as `apply` does. Raises CommandError."""
    return kubectl(layout, [*_APPLY, f"-f{path}"])


def kubectl(
    layout: Layout, arguments: Sequence[str], *, stdin: str = "", check: bool = True
) -> Result:
    """Run kubectl as administrator inside the namespace. Raises CommandError."""
    return run(kubectl_argv(layout, arguments), stdin=stdin, check=check)


def kubectl_argv(layout: Layout, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs kubectl inside the namespace."""
    return netns.enter_argv(
        [layout.tool("kubectl"), f"--kubeconfig={layout.inner_kubeconfig}", *arguments]
    )


@dataclass(frozen=True)
class ObjectProbe:
    """Ready when the object at `path` exists and `evaluate` returns a ready Answer for it."""

    layout: Layout
    path: str
    evaluate: Callable[[dict[str, Any]], Answer]

    def check(self) -> Answer:
        """Probe once."""
        try:
            resource = get(self.layout, self.path)
        except SandboxError as error:
            return Answer(False, error.found)
        if resource is None:
            return Answer(False, f"{self.path}: not found")
        return self.evaluate(resource)


def condition(kind: str, since: float = 0) -> Callable[[dict[str, Any]], Answer]:
    """Return a function that is ready when `status.conditions` has `kind` as True.

    With `since` (seconds of the Unix clock) the condition must have been reported after that: the
    last report of a process that has died does not count.
    """

    def evaluate(resource: dict[str, Any]) -> Answer:
        for entry in resource.get("status", {}).get("conditions") or []:
            if entry["type"] == kind:
                reported = entry.get("lastHeartbeatTime")
                state = f"{kind}={entry['status']} {entry.get('message', '')} ({reported})"
                fresh = not since or (reported is not None and _seconds(reported) >= since)
                return Answer(entry["status"] == "True" and fresh, state)
        return Answer(False, f"no condition {kind} yet")

    return evaluate


def _seconds(time: str) -> float:
    return datetime.datetime.fromisoformat(time).timestamp()


def _unreachable(layout: Layout, url: str, found: str) -> SandboxError:
    return SandboxError(
        "the API server is not available",
        found=f"{url}: {found}",
        expected="status 200",
        fix=f"run `make up`; read {layout.log_file('kube-apiserver')}",
    )
