"""The disaster drill on the real sandbox: what was destroyed serves the same digests again."""

from __future__ import annotations

import os
import re
import subprocess

from sandbox.__main__ import CASES

from .loop import Loop, measured
from .test_recovery import answered, questions

RECOVERY_SECONDS = 180


def drill(loop: Loop, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `make drill` as a user does; its output is shown when the test fails."""
    argv = ["make", "--no-print-directory", "drill", *words]
    environ = {key: value for key, value in os.environ.items() if key != "KUBE_CONTEXT"}
    done = subprocess.run(
        argv, cwd=loop.layout.root, env=environ, capture_output=True, text=True, check=False
    )
    print(done.stdout, done.stderr, flush=True)
    return done


def test_the_drill_refuses_any_other_cluster(loop: Loop) -> None:
    before = loop.pods()
    done = drill(loop, "KUBE_CONTEXT=prod")
    assert (done.returncode, "only the sandbox" in done.stderr) == (2, True)
    assert loop.pods() == before


def test_every_case_comes_back_with_the_same_digests(loop: Loop) -> None:
    serial = loop.get("namespace", "kube-system")["metadata"]["uid"]
    done = drill(loop)
    assert done.returncode == 0
    count = len(loop.releases)
    for case in CASES:
        line = re.search(
            rf"^{case} +(\d+) s  {count} releases, the same digests$", done.stdout, re.M
        )
        assert line, case
        measured(f"drill, case {case}", float(line[1]), RECOVERY_SECONDS)
    # Destroyed indeed: the cluster is another one, and says since when it has a copy.
    assert loop.get("namespace", "kube-system")["metadata"]["uid"] != serial
    for name in ("last-backup", "last-drill"):
        assert loop.get("configmap", name, "--namespace=argocd")
    assert answered(questions(loop)) == (True, {})
