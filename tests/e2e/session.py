"""A sandbox for the tests, and what is compared once it has ended.

    python -m tests.e2e.session up|down

`tests/run.py` keeps one for several runs of pytest and names in E2E_SANDBOX the file that holds
what the machine showed before; pytest alone does the same in the fixture `loop`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import netns, process
from sandbox.layout import find_layout

from .leftovers import added, snapshot
from .loop import measured

if TYPE_CHECKING:
    from .loop import Loop

VARIABLE = "E2E_SANDBOX"


def make(*words: str) -> float:
    """Run a make target as a user does, its output on ours; returns seconds."""
    started = time.monotonic()
    argv = ["make", "--no-print-directory", *words]
    subprocess.run(argv, cwd=find_layout().root, check=True)
    return time.monotonic() - started


def make_definitions(loop: Loop, target: str, group: str) -> list[str]:
    """Run a make target; returns the definitions it added whose API group ends with `group`."""

    def names() -> set[str]:
        items = loop.get("crd")["items"]
        return {i["metadata"]["name"] for i in items if i["spec"]["group"].endswith(group)}

    there = names()
    make(target)
    return sorted(names() - there)


def install_packages() -> None:
    """Install what the sandbox runs on: what looks at the machine before it starts needs it too."""
    argv = ["python3", "-m", "sandbox", "packages"]
    subprocess.run(argv, cwd=find_layout().root, check=True)


def up(before: Path) -> None:
    """Start it, or bring the one that runs up to date. Raises CalledProcessError."""
    layout = find_layout()
    install_packages()
    running = netns.exists() and bool(process.recorded_names(layout))
    if not running:
        before.write_text(json.dumps(snapshot(layout)), encoding="utf-8")
    measured("make up", make("up"), target=90)


def down(before: Path) -> None:
    """End what `up` has started; one that ran before goes on. Raises CalledProcessError."""
    if not before.exists():
        return
    measured("make down", make("down"), target=20)
    left = added(json.loads(before.read_text(encoding="utf-8")), snapshot(find_layout()))
    assert not left, f"make down left something behind: {left}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    command = {"up": up, "down": down}[parser.parse_args().command]
    command(Path(os.environ[VARIABLE]))


if __name__ == "__main__":
    main()
