"""The loop as a user drives it: edit a file in `.sandbox/gitops`, commit, push, look.

Wraps the sandbox's own pieces for the tests; asserts nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sandbox import addresses, kube, netns, rollout
from sandbox.environments import Environment, Release, read_environments, read_releases
from sandbox.gitops import GitOps, open_gitops
from sandbox.layout import Layout, find_layout
from sandbox.proc import run
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent


def measured(what: str, seconds: float, target: float) -> None:
    """Print a timing beside its target; a test's own deadline is three times the target."""
    print(f"\n    measured: {what}: {seconds:.1f} s (target {target:.0f} s)", flush=True)


class Served(Protocol):
    """Something with a Service: a release in git, or one that a test installed."""

    @property
    def model(self) -> str: ...

    @property
    def namespace(self) -> str: ...


class Loop:
    """One running sandbox and its repository.

    `found` is a copy of the environments and bundles as they were at first, and `start` the commit:
    for tests that run beside those which change them.
    """

    def __init__(self, found: Path, layout: Layout | None = None) -> None:
        self.layout = layout or find_layout()
        self.gitops: GitOps = open_gitops(self.layout)
        self.found, self.start = found, self.gitops.head()
        for part in ("environments", "build/bundles"):
            shutil.copytree(self.worktree / part, found / part)

    @property
    def worktree(self) -> Path:
        """The folder that users edit."""
        return self.gitops.worktree

    @property
    def environments(self) -> list[Environment]:
        """Environments in the order of a version's way."""
        return read_environments(self.worktree)

    @property
    def releases(self) -> list[Release]:
        """Every model that is released somewhere, as git says."""
        return read_releases(self.worktree)

    def release(self, name: str) -> Release:
        """The release with that Application name."""
        return next(entry for entry in self.releases if entry.name == name)

    def url(self, release: Release) -> str:
        """Its address on this machine."""
        target = addresses.service_target(release.namespace, release.model)
        return addresses.read_addresses(self.layout)[target].url

    # --- git

    def push(self, message: str, *paths: str) -> None:
        """Commit the edited paths and push them, as a user does."""
        self.gitops.commit(list(paths), message)
        self.gitops.push()

    @contextmanager
    def change(self, edit: Callable[[], object], message: str, *paths: str) -> Iterator[None]:
        """Push an edit of `paths`, and at the end a revert of it; waits for the reverted state."""
        edit()
        self.push(message, *paths)
        commit = self.gitops.head()
        try:
            yield
        finally:
            self.gitops.git("revert", "--no-edit", commit)
            self.gitops.push()
            self.wait_synced()

    def wait_synced(self, deadline_seconds: float = 300) -> float:
        """Wait until everything that git asks for is Synced and Healthy; returns seconds."""
        expected = rollout.expectations(self.environments, self.releases)
        return rollout.wait_for(
            self.layout, self.gitops, expected, deadline_seconds=deadline_seconds
        )

    # --- the cluster

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """What kubectl prints (errors included when `check` is off)."""
        argv = [self.layout.tool("kubectl"), f"--kubeconfig={self.layout.kubeconfig}", *words]
        result = run(argv, stdin=stdin, check=check, timeout_seconds=120)
        return result.stdout if check else result.stdout + result.stderr

    def get(self, *words: str) -> Any:
        """An object of the cluster as JSON."""
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def wait_defined(self, definitions: list[dict[str, Any]]) -> None:
        """Wait until the API server serves what they define.

        `kubectl wait` ends with an error when it looks before there is any condition.
        """
        names = {item["metadata"]["name"] for item in definitions}

        def probe() -> tuple[bool, Any]:
            judge = kube.condition("Established")
            found = [item for item in self.get("crd")["items"] if item["metadata"]["name"] in names]
            missing = names - {item["metadata"]["name"] for item in found if judge(item).ready}
            return not missing, sorted(missing)

        eventually("definitions served", probe, 120)

    def application(self, name: str) -> dict[str, Any]:
        """The status of an Argo CD Application."""
        status: dict[str, Any] = self.get("application", name, "--namespace=argocd")["status"]
        return status

    def pods(self) -> dict[str, set[str]]:
        """The unique ids of the pods of each release, by the name of its Application.

        Without those that are ending: a rollout before may still have some.
        """
        found: dict[str, set[str]] = {}
        for release in self.releases:
            items = self.get(
                *("pods", f"--namespace={release.namespace}"),
                f"--selector=app.kubernetes.io/instance={release.model}",
            )["items"]
            found[release.name] = {
                item["metadata"]["uid"]
                for item in items
                if "deletionTimestamp" not in item["metadata"]
            }
        return found

    def status(self) -> str:
        """What `make status` prints."""
        return run(["make", "--no-print-directory", "status"], cwd=self.layout.root).stdout

    # --- clients

    @contextmanager
    def probing(self, release: Served, body: Path, *options: str) -> Iterator[dict[str, Any]]:
        """Ask the release's Service all the time; the report is filled in at the end.

        The options are those of `prober.py`.
        """
        service = self.get("service", release.model, f"--namespace={release.namespace}")["spec"]
        with _asking("prober.py", service["clusterIP"], "80", body, *options) as report:
            yield report

    def call(self, address: str, authority: str, model: str, features: list[float]) -> Any:
        """What one call of gRPC is answered, as `caller.py --once` says."""
        words = [address, authority, model, json.dumps(features), "--once"]
        argv = netns.enter_argv([sys.executable, HERE / "caller.py", *words])
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    @contextmanager
    def calling(self, *words: str | Path) -> Iterator[dict[str, Any]]:
        """Call a model by gRPC all the time, as `caller.py` does."""
        with _asking("caller.py", *words) as report:
            yield report


@contextmanager
def _asking(program: str, *words: str | Path) -> Iterator[dict[str, Any]]:
    """Run a client in the sandbox's network while the block runs; its report comes at the end."""
    argv = netns.enter_argv([sys.executable, HERE / program, *words])
    report: dict[str, Any] = {}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield report
        finally:
            output, _ = process.communicate(timeout=60)
            report.update(json.loads(output))
            print(f"\n    {program}: {report}", flush=True)


def eventually(
    what: str,
    probe: Callable[[], tuple[bool, Any]],
    deadline_seconds: float,
    pause: Callable[[float], object] = time.sleep,
) -> float:
    """Wait until the probe's first value is true; its second is shown when it never is.

    `pause`: of `kube.watching`, where an object of the cluster is waited for.
    """
    started = time.monotonic()

    def answer() -> Answer:
        ready, state = probe()
        return Answer(ready, str(state)[:300])

    wait_until(what, answer, deadline_seconds, interval_seconds=0.5, pause=pause)
    return time.monotonic() - started
