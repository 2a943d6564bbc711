"""The diagnosis of runbooks: every command works as it stands on the page, on a real release."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from tests import rendering
from tests.paths import ROOT

from .loop import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sandbox.environments import Release

    from .loop import Loop

PAGES = ROOT / "docs" / "runbooks"
# Of alerts that only a release has that Argo Rollouts looks after.
OF_ROLLOUTS = frozenset({"MlRolloutAborted.md", "MlRolloutPaused.md"})
# Of alerts that only a release with a consumer has.
OF_CONSUMERS = frozenset(
    {
        "MlConsumerUnavailable.md",
        "MlQueueDeadLetters.md",
        "MlQueueOld.md",
        "MlQueueUnreachable.md",
    }
)
# A command goes on in the next line.
OPEN_ENDS = ("|", "&&", "\\")


def diagnose(
    loop: Loop,
    pages: Iterable[Path],
    release: Release,
    prometheus: str,
    kubeconfig: Path,
    enter: Callable[[Sequence[str]], Sequence[str]] = lambda argv: argv,
) -> None:
    """Run each command of these pages once; `enter` takes it to where Prometheus is reached."""
    started = time.monotonic()
    commands = sorted({command for page in pages for command in diagnosis(page)})
    failed = {}
    for command in commands:
        done = subprocess.run(
            enter(["bash", "-euo", "pipefail", "-c", command]),
            cwd=loop.worktree,
            env={
                **os.environ,
                "NS": release.namespace,
                "NAME": release.model,
                "ENVIRONMENT": release.environment,
                "PROM": prometheus,
                "KUBECONFIG": str(kubeconfig),
                "PATH": f"{ROOT}/.venv/bin:{rendering.TOOLS}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        answer = done.stdout
        if done.returncode != 0 or '"status":"error"' in answer:
            failed[command] = answer[-300:] + done.stderr[-300:]
    measured(f"{len(commands)} commands of runbooks", time.monotonic() - started, 60)
    assert commands
    # This module is not one whose assertions pytest explains.
    assert failed == {}, failed


def diagnosis(page: Path) -> list[str]:
    """The commands of every block in the section, as many lines as each has."""
    section = page.read_text(encoding="utf-8").partition("## Diagnosis")[2].partition("\n## ")[0]
    blocks = section.split("```sh\n")[1:]
    return [command for block in blocks for command in complete_lines(block.partition("```")[0])]


def complete_lines(block: str) -> list[str]:
    """The commands of a block, a loop or what goes on in the next line as one."""
    found: list[str] = []
    for line in block.splitlines():
        last = found[-1] if found else ""
        in_loop = last.startswith("for ") and not last.endswith("done")
        if in_loop or last.endswith(OPEN_ENDS):
            found[-1] += f"\n{line}"
        elif line:
            found.append(line)
    return found
