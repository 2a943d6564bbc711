"""Bundles of the models in git: built by the project's own `make models`.

They are built from the clone that Argo CD watches, with its code, so that nothing uncommitted is
deployed. Must not know what a model is.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import netns
from sandbox.errors import SandboxError
from sandbox.proc import Result, run
from sandbox.task import run_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.layout import Layout

MAX_JOBS = 4


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its folder, and the fields of its manifest that the sandbox uses."""

    folder: Path
    model: str
    version: str
    engine: str
    digest: str
    # Names of the libraries that the manifest records.
    libraries: frozenset[str] = frozenset()

    def sample(self) -> tuple[dict[str, Any], Any]:
        """Return a body for `POST /predict` and the prediction that packaging recorded for it."""
        sample = json.loads((self.folder / "sample.json").read_text())
        return {"features": sample["rows"][0]}, sample["predictions"][0]


def python(layout: Layout) -> Path:
    """Return the project's own Python, with every dependency."""
    return layout.root / ".venv" / "bin" / "python"


def run_modelctl(
    layout: Layout,
    worktree: Path,
    *words: str | Path,
    code: Path | None = None,
    in_netns: bool = False,
    check: bool = True,
) -> Result:
    """Run the worktree's `modelctl WORDS...` in it; `code` is the folder of modelctl, if different.

    With `in_netns` it runs inside the sandbox's network. Raises CommandError.
    """
    argv: list[str | Path] = [python(layout), "-m", "modelctl", *words]
    env = {
        **environment(code or worktree),
        "HELM": layout.tool("helm4"),
        "KUBECONFIG": str(layout.kubeconfig),
        "PATH": layout.path,
    }
    argv = [*netns.enter_argv(argv)] if in_netns else argv
    return run(argv, cwd=worktree, env=env, timeout_seconds=300, check=check)


def make_bundles(layout: Layout, worktree: Path, models: Sequence[str]) -> list[Bundle]:
    """Train and package what changed of `models`; return the verified bundle of each.

    Raises CommandError.
    """
    stamp = layout.root / ".venv" / ".installed"
    argv = [
        *("make", "--no-print-directory", "models", f"MODELS={' '.join(models)}"),
        # Whatever stands in the clone's build folder is ours.
        "BUILD_ARGS=--replace",
        # Models are independent; each needs a processor and some memory.
        *(f"--jobs={min(os.cpu_count() or 1, MAX_JOBS)}", "--output-sync=target"),
        # The clone has no .venv of its own, and its files are newer than the project's.
        *(f"BIN={layout.root}/.venv/bin", f"VENV={stamp}", f"--old-file={stamp}"),
    ]
    log = layout.logs / "bundles.log"
    run_task("training and packaging", argv, cwd=worktree, env=environment(worktree), log=log)
    built = worktree / "build" / "bundles"
    return [read_bundle(layout, worktree, built / model) for model in models]


def read_bundle(layout: Layout, worktree: Path, folder: Path) -> Bundle:
    """Verify the bundle in `folder` and return it. Raises CommandError, SandboxError."""
    output = run_modelctl(layout, worktree, "verify", folder.absolute()).stdout.split()
    digests = [word for word in output if word.startswith("sha256:")]
    manifest = json.loads((folder / "manifest.json").read_text())
    if len(digests) != 1:
        raise SandboxError(
            f"cannot read the digest of {folder}",
            found=" ".join(output)[:200],
            expected="one sha256:... printed by `modelctl verify`",
            fix=f"run `modelctl verify {folder}`",
        )
    return Bundle(
        folder,
        manifest["name"],
        manifest["version"],
        manifest["engine"],
        digests[0],
        frozenset(manifest.get("environment", {}).get("libraries", {})),
    )


def environment(worktree: Path) -> dict[str, str]:
    """Return the variables for a command that runs the worktree's code."""
    return {
        # The clone's modules win over the project's, which are installed editable.
        "PYTHONPATH": str(worktree),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Else onnxruntime opens a network connection at import.
        "ORT_DISABLE_TELEMETRY": "1",
        # Set by a `make` that runs us; its options are not meant for this one.
        "MAKEFLAGS": "",
        "MAKEOVERRIDES": "",
    }
