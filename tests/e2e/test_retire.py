"""`modelctl retire` and `promote` on the real Argo CD: what leaves git leaves the cluster."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.proc import Result, run

from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "leaver"
NAME = f"dev-{MODEL}"
FOLDER = f"environments/dev/{MODEL}"
RETIRE_SECONDS = 30
FILES = ("settings.yaml", "capacity.yaml", "version.yaml")


def modelctl(loop: Loop, *words: str, check: bool = True) -> Result:
    """Run modelctl in the clone as a user with a kubeconfig does."""
    environ = {
        "KUBECONFIG": str(loop.layout.kubeconfig),
        "PATH": f"{loop.layout.bin}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(loop.worktree),
    }
    argv = [sys.executable, "-m", "modelctl", *words]
    return run(argv, cwd=loop.worktree, env=environ, timeout_seconds=300, check=check)


def applications(loop: Loop) -> dict[str, dict[str, Any]]:
    items = loop.get("applications", "--namespace=argocd")["items"]
    return {item["metadata"]["name"]: item for item in items}


def ids(loop: Loop) -> dict[str, str]:
    """The unique id of the Application of each release that git knows."""
    found = applications(loop)
    names = [release.name for release in loop.releases]
    return {name: found[name]["metadata"]["uid"] for name in names if name in found}


def pods(loop: Loop) -> list[str]:
    items = loop.get(
        *("pods", f"--namespace={loop.release('dev-iris').namespace}"),
        f"--selector=app.kubernetes.io/instance={MODEL}",
    )["items"]
    return [item["metadata"]["name"] for item in items]


def runs(loop: Loop) -> tuple[bool, str]:
    """Synced too: an Application that has nothing yet is Healthy."""
    status = applications(loop).get(NAME, {}).get("status", {})
    found = [status.get(part, {}).get("status") for part in ("sync", "health")]
    return found == ["Synced", "Healthy"] and bool(pods(loop)), str(found)


@pytest.fixture
def leaver(loop: Loop) -> Iterator[str]:
    """A second model with the image of iris in dev, Healthy; whatever is left of it goes."""
    folder = loop.worktree / FOLDER
    shutil.copytree(loop.worktree / "environments/dev/iris", folder)
    loop.push(f"Release {MODEL} in dev", FOLDER)
    try:
        eventually(f"{NAME} runs", lambda: runs(loop), 300)
        yield NAME
    finally:
        if folder.exists():
            shutil.rmtree(folder)
            loop.push(f"Remove {MODEL}", FOLDER)
        modelctl(loop, "retire", MODEL, "--env", "dev", check=False)
        for kind in ("deployment", "service", "serviceaccount", "configmap", "networkpolicy"):
            loop.kubectl(
                *("delete", kind, "--ignore-not-found", "--namespace=ml-dev"),
                f"--selector=app.kubernetes.io/instance={MODEL}",
            )
        # The next leaver has the same name: its pods must not be taken for these.
        eventually("no pod is left", lambda: (not (left := pods(loop)), str(left)), 120)


def retire_in_git(loop: Loop) -> None:
    modelctl(loop, "retire", MODEL, "--env", "dev")
    loop.push(f"Retire {MODEL} from dev", FOLDER)


def test_a_retired_model_leaves_no_application_and_no_pod(loop: Loop, leaver: str) -> None:
    others = ids(loop)
    others.pop(leaver)
    retire_in_git(loop)
    started = time.monotonic()
    output = modelctl(loop, "retire", MODEL, "--env", "dev").stdout
    assert f"Application {leaver} deleted" in output
    eventually("its pods are gone", lambda: (not pods(loop), pods(loop)), 3 * RETIRE_SECONDS)
    measured("retired: Application and pods gone", time.monotonic() - started, RETIRE_SECONDS)
    assert leaver not in applications(loop)
    assert ids(loop) == others, "another Application was touched"
    again = modelctl(loop, "retire", MODEL, "--env", "dev", check=False)
    assert "nothing to retire" in again.stdout or "is not set up" in again.stderr


def test_a_model_may_go_on_without_its_application(loop: Loop, leaver: str) -> None:
    before = pods(loop)
    assert before
    retire_in_git(loop)
    output = modelctl(loop, "retire", MODEL, "--env", "dev", "--keep-running").stdout
    assert f"Application {leaver} deleted, pods orphaned" in output
    assert leaver not in applications(loop)
    assert pods(loop) == before


def test_what_is_not_pushed_is_not_deleted(loop: Loop, leaver: str) -> None:
    """Deleted too early, the model would stop and be created again by the next look at git."""
    before = pods(loop)
    modelctl(loop, "retire", MODEL, "--env", "dev")
    loop.gitops.commit([FOLDER], f"Retire {MODEL} from dev")
    done = run(
        [sys.executable, "-c", EAGER, "retire", MODEL, "--env", "dev"],
        cwd=loop.worktree,
        env={
            "KUBECONFIG": str(loop.layout.kubeconfig),
            "PATH": f"{loop.layout.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(loop.worktree),
        },
        check=False,
    )
    assert done.code == 1
    assert f"Argo CD still sees the version file of '{leaver}'" in done.stderr
    assert leaver in applications(loop)
    assert pods(loop) == before
    loop.gitops.git("revert", "--no-edit", "HEAD")
    loop.gitops.push()


# modelctl with less patience than a person has.
EAGER = """
from modelctl.promotion import retire
retire.DEADLINE_SECONDS = 15
from modelctl.__main__ import main
main()
"""


def test_promotion_believes_the_cluster(loop: Loop) -> None:
    """What refuses or allows a promotion comes from Argo CD, the Deployment and the pod."""
    words = ("promote", "iris", "--to", "staging", "--output", "json", "--dry-run")
    folder = loop.worktree / "environments/staging/iris/version.yaml"
    text = folder.read_text()
    release = loop.release("dev-iris")
    folder.write_text(text.replace(release.version, f"{release.version}-older"))
    try:
        (note, *_) = json.loads(modelctl(loop, *words).stdout)["notes"]
    finally:
        folder.write_text(text)
    assert note.startswith(f"{release.version} in dev: Healthy, for ")
    assert note.endswith(" min (since its rollout)")
