"""A component: one process of the sandbox as a pure value, so that plans can be read and tested.

Must not start anything; `process` does.
"""

from __future__ import annotations

import graphlib
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sandbox.probes import Probe


@dataclass(frozen=True)
class Component:
    """A process: what runs, where, after whom, and how to see that it is ready.

    `argv[0]` is absolute. `env` is the whole environment beside PATH, HOME and LANG: nothing
    of the user's shell (proxies, kubeconfigs) leaks in. `files` are configuration files written
    before the start. `ready_seconds` and `stop_seconds` are deadlines. `leaves_children` says that
    what it started outlives its restart (containerd's shims); else a restart kills it too.
    """

    name: str
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    after: tuple[str, ...] = ()
    in_netns: bool = True
    files: Mapping[Path, str] = field(default_factory=dict)
    ready_seconds: float = 60
    stop_seconds: float = 10
    leaves_children: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the process would run differently; `up` restarts it only then."""
        plan = {
            "argv": self.argv,
            "env": dict(self.env),
            "cwd": str(self.cwd),
            "in_netns": self.in_netns,
            "files": {str(path): text for path, text in self.files.items()},
        }
        return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def start_order(components: Iterable[Component]) -> list[Component]:
    """Return the components so that each comes after those it names; stop in reverse.

    Raises SandboxError for a name that is used twice or unknown, and for a circle.
    """
    by_name: dict[str, Component] = {}
    for component in components:
        if component.name in by_name:
            raise _plan_error(f"two components are named {component.name!r}", "one of each name")
        by_name[component.name] = component
    _refuse_unknown(list(by_name.values()), by_name)
    sorter = graphlib.TopologicalSorter({c.name: c.after for c in by_name.values()})
    try:
        names = list(sorter.static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(error.args[1])
        raise _plan_error(f"they wait for each other: {circle}", "no circle") from error
    return [by_name[name] for name in names]


def as_json(value: object) -> str:
    """Return a configuration file's text: JSON is YAML, and needs no library."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _refuse_unknown(components: Sequence[Component], known: Mapping[str, Component]) -> None:
    for component in components:
        for name in component.after:
            if name not in known:
                raise _plan_error(
                    f"{component.name!r} starts after {name!r}, which is no component",
                    f"one of {', '.join(sorted(known))}",
                )


def _plan_error(found: str, expected: str) -> SandboxError:
    return SandboxError(
        "the plan of components is wrong",
        found=found,
        expected=expected,
        fix="correct the component's name or `after`",
    )
