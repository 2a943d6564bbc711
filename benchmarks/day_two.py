"""Measure the commands of every day with 1,003 models in three environments, as users run them.

    python -m benchmarks.day_two [--models 1003] [--runs 3]

The cluster is a stand-in for kubectl that prints stored answers, so that the time is ours alone.
The fastest run counts: other programs only add time. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.check import ROOT, VERSION, generate, git
from tests.modelctl import kubectl

MODELS = 1003
RUNS = 3
CHANGED = 3000
IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
PAGE = 1000
# As quick as a real kubectl can be at best.
SCRIPT = """\
#!/bin/sh
folder=$(dirname "$0")
start=0
case "$*" in *continue=*) start=${*##*continue=}; start=${start%%&*} ;; esac
case "$*" in
  *argoproj.io/v1alpha1/applications*) cat "$folder/applications-$start.json" ;;
  *namespaces/*/deployments*)
    namespace=${*#*namespaces/}
    cat "$folder/deployments-${namespace%%/*}-$start.json" ;;
  *) echo "Error from server (NotFound)" >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Work:
    """A command, and within how many seconds it has to be done."""

    words: tuple[str, ...]
    target: float

    def __str__(self) -> str:
        return f"modelctl {' '.join(self.words)}"


WORKS = (
    Work(("check",), 5),
    Work(("check", "--base", "HEAD~1"), 15),
    Work(("check", "--base", "HEAD~1", "--head", "HEAD"), 15),
    Work(("status", "--output", "json"), 8),
    Work(("status",), 8),
    Work(("history", "--all", "--output", "csv"), 8),
)


def repository(folder: Path, models: int) -> Path:
    """A repository whose last commit changes about 3,000 version files, with an origin."""
    root = folder / "repository"
    root.mkdir()
    found = generate(root, models)
    git(root, "add", "--all")
    git(root, *IDENTITY, "commit", "--quiet", "--message", "the change that generate leaves")
    first = found.environments[0]
    left = CHANGED
    for environment in found.environments:
        for model in found.models()[: max(0, left)]:
            text = VERSION.replace("1.0.0", "2.0.0") if environment == first else f"# \n{VERSION}"
            found.version_file(environment, model).write_text(text, encoding="utf-8")
            left -= 1
    git(root, "add", "--all")
    git(root, *IDENTITY, "commit", "--quiet", "--message", "3,000 files")
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", str(root), str(folder / "origin.git")], check=True
    )
    git(root, "remote", "add", "origin", str(folder / "origin.git"))
    git(root, "fetch", "--quiet", "origin")
    branch = subprocess.run(
        ["git", "-C", str(root), "branch", "--show-current"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    git(root, "branch", "--quiet", f"--set-upstream-to=origin/{branch}")
    return root


def cluster(folder: Path, root: Path) -> Path:
    """A folder for PATH whose `kubectl` answers with every release Synced and Healthy."""
    head = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    tools = folder / "bin"
    tools.mkdir()
    script = tools / "kubectl"
    script.write_text(SCRIPT, encoding="utf-8")
    script.chmod(0o755)
    applications: list[object] = []
    for home in sorted((root / "environments").glob("*/")):
        names = [f"{home.name}-{path.parent.name}" for path in sorted(home.glob("*/version.yaml"))]
        applications += [kubectl.application(name, revision=head) for name in names]
        _pages(tools, f"deployments-ml-{home.name}", [kubectl.deployment(name) for name in names])
    _pages(tools, "applications", applications)
    return tools


def _pages(folder: Path, name: str, items: list[object]) -> None:
    for start in range(0, len(items), PAGE):
        end = start + PAGE
        more = str(end) if end < len(items) else ""
        page = {"metadata": {"continue": more}, "items": items[start:end]}
        (folder / f"{name}-{start}.json").write_text(json.dumps(page), encoding="utf-8")


def seconds(work: Work, root: Path, tools: Path) -> float:
    """The wall time of one run, in seconds."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "KUBECONFIG": os.devnull,
    }
    argv = [sys.executable, "-m", "modelctl", *work.words]
    started = time.perf_counter()
    done = subprocess.run(argv, cwd=root, env=environ, check=False, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{work}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory(prefix="ml-model-day-two-") as name:
        root = repository(Path(name), arguments.models)
        tools = cluster(Path(name), root)
        print(f"{arguments.models:,} models in three environments; fastest of {arguments.runs}\n")
        print("| command | seconds | target |\n|---|---:|---:|")
        for work in WORKS:
            best = min(seconds(work, root, tools) for _ in range(arguments.runs))
            print(f"| `{work}` | {best:.1f} | {work.target:g} |", flush=True)
            if best > work.target:
                missed.append(str(work))
    for each in missed:
        print(f"target missed: {each}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
