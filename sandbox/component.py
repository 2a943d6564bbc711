"""A component: one process of the sandbox as a value, so that plans can be printed and tested.

Must not start anything; `process` does.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.probes import Probe


@dataclass(frozen=True)
class Component:
    """A process: what runs, where, and how to probe that it is ready.

    `argv[0]` is absolute. `env` is the whole environment besides PATH, HOME and LANG: nothing
    of the user's shell (proxies, kubeconfigs) leaks in. `files` are configuration files written
    before the start. `ready_seconds` and `stop_seconds` are deadlines. With `leaves_children`
    its children outlive a restart (containerd's shims); else a restart kills them too.
    """

    name: str
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    in_netns: bool = True
    files: Mapping[Path, str] = field(default_factory=dict)
    ready_seconds: float = 60
    stop_seconds: float = 10
    leaves_children: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the process would run differently; only then does `up` restart it."""
        plan = {
            "argv": self.argv,
            "env": dict(self.env),
            "cwd": str(self.cwd),
            "in_netns": self.in_netns,
            "files": {str(path): text for path, text in self.files.items()},
        }
        return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def as_json(value: object) -> str:
    """Return a configuration file's text: JSON is YAML, and needs no library."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
