"""The bare cluster from nothing to nothing, with everything killed in between.

Runs a copy of the package under another name (namespace, cgroup, port), so that a sandbox
somebody uses is left alone. Needs root and the cluster's tools.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.wait import Answer, wait_until
from tests.e2e import session
from tests.paths import ROOT

NAME = "sandbox-lifecycle"
PAUSE = "localhost/ml-model-sandbox/pause:1"
# The delivery's steps have tests of their own; without them this takes seconds.
BARE_DELIVERY = "def steps(layout): return []\ndef forwards(layout): return []\n"
SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Copy:
    """A renamed sandbox in a folder of its own."""

    root: Path

    def run(self, *words: str, stdin: str = "") -> str:
        """Run one of its commands and return what it printed; fails with its error."""
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", *words],
            cwd=self.root,
            env={**os.environ, "SANDBOX_API_PORT": "26443"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.run("kubectl", *words, stdin=stdin)

    def cgroups(self) -> list[Path]:
        """Return its folder in each cgroup tree, v1 and v2."""
        mounted = Path("/sys/fs/cgroup")
        return [*mounted.glob(NAME), *mounted.glob(f"*/{NAME}")]

    def processes(self) -> set[int]:
        """Return every process in its cgroups, which come and go while we look."""
        pids: set[int] = set()
        for tree in self.cgroups():
            for folder, _, _ in os.walk(tree):
                with contextlib.suppress(OSError):
                    pids.update(map(int, (Path(folder) / "cgroup.procs").read_text().split()))
        return pids

    def kill_everything(self) -> int:
        pids = self.processes()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until("all dead", lambda: Answer(not self.processes(), str(self.processes())), 20)
        return len(pids)

    def leftovers(self) -> list[str]:
        """Return whatever of it the machine still shows."""
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return [
            *(line for line in mounts if str(self.root) in line or NAME in line),
            *map(str, self.cgroups()),
            *map(str, Path("/run/netns").glob(NAME)),
            *map(str, Path("/run").glob(f"{NAME}.owner")),
            *map(str, Path("/run").glob(NAME)),
            *map(str, Path("/var/lib/cni/results").glob(f"{NAME}-*")),
            *map(str, self.processes()),
        ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    session.install_packages()
    root = tmp_path_factory.mktemp("lifecycle")
    shutil.copytree(ROOT / "sandbox", root / "sandbox")
    (root / "sandbox" / "delivery.py").write_text(BARE_DELIVERY)
    layout = root / "sandbox" / "layout.py"
    layout.write_text(layout.read_text().replace('NAME = "ml-model-sandbox"', f'NAME = "{NAME}"'))
    # Another sandbox's kubelet is no stranger here.
    machine = root / "sandbox" / "machine.py"
    machine.write_text(machine.read_text().replace("_foreign_kubelet()", "0", 1))
    (root / ".tools").mkdir()
    (root / ".tools" / "bin").symlink_to(ROOT / ".tools" / "bin")
    made = Copy(root)
    yield made
    made.run("down")


def host_state() -> dict[str, str]:
    """Return what of the host must be the same before and after."""
    commands = {
        "links": ["ip", "-o", "link", "show"],
        "routes": ["ip", "route", "show", "table", "all"],
        "rules": ["nft", "list", "ruleset"],
        "namespaces": ["ip", "netns", "list"],
        "settings": ["sysctl", "vm.overcommit_memory", "kernel.panic", "kernel.panic_on_oops",
                     "net.ipv4.ip_forward"],
    }  # fmt: skip
    return {
        name: subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        for name, argv in commands.items()
    }


def pod(name: str, security: dict[str, object]) -> str:
    container = {"name": "c", "image": PAUSE, "securityContext": security}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "strict"},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        }
    )


def wait_for_pod(copy: Copy) -> None:
    copy.kubectl("-n", "strict", "wait", "--for=condition=Ready", "pod/good", "--timeout=60s")


def test_the_cluster_survives_being_killed_and_leaves_nothing_behind(copy: Copy) -> None:
    before = host_state()
    copy.run("up")
    copy.kubectl("create", "namespace", "strict")
    copy.kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
    copy.kubectl("apply", "-f-", stdin=pod("good", SECURITY))
    wait_for_pod(copy)
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted:latest"'):
        copy.kubectl("apply", "-f-", stdin=pod("bad", {"privileged": True}))
    assert "node1" in copy.kubectl("top", "nodes")

    assert copy.kill_everything() >= 12
    copy.run("up")
    assert "not ready" not in copy.run("status")
    wait_for_pod(copy)

    copy.kill_everything()
    copy.run("down")
    assert copy.leftovers() == []
    assert host_state() == before
