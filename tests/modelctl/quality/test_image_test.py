"""`modelctl test-image`: every claim about an image can fail.

A stand-in for Docker runs the service of this checkout; the real thing runs by containerd in
tests/e2e/test_pipeline.py, and by Docker on GitHub only.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.model.bundle import verify
from modelctl.errors import ModelctlError, RefusedError
from modelctl.quality import image_test
from modelctl.quality.containers import Containerd, Docker, Run
from tests import trained
from tests.modelctl.conftest import run
from tests.paths import ROOT

GOOD = {"user": 10001, "root": True, "model": False, "capabilities": 0, "new_privileges": False}
CLAIMS = {
    "ready": "becomes ready unprivileged, read-only root",
    "sample": "predicts its sample as recorded",
    "user": "does not run as root",
    "root": "has a read-only root filesystem",
    "model": "cannot write to its model",
    "capabilities": "has no capabilities and cannot gain any",
    "exit": "exits on SIGTERM",
    "refusal": "refuses another bundle digest",
}

# `docker run`, `exec`, `stop` and `rm`, as far as the test of an image uses them. The image's name
# is the folder of the bundle that is "in" it.
STAND_IN = """\
#!{python}
import os, pathlib, signal, subprocess, sys

here = pathlib.Path(__file__).parent
command, words = sys.argv[1], sys.argv[2:]
if command == "run":
    environ = dict(word[6:].split("=", 1) for word in words if word.startswith("--env="))
    port = words[words.index("--publish") + 1].split(":")[1]
    name, image = words[words.index("--name") + 1], words[-1]
    if (here / "ignores-digest").exists():
        environ.pop("MODEL_DIGEST")
    metrics = here / f"metrics-{{name}}"
    metrics.mkdir()
    service = subprocess.Popen(
        [{python!r}, "-m", "app"],
        cwd={root!r},
        env={{**os.environ, **environ, "PORT": port, "MODEL_DIR": image, "HOST": "127.0.0.1",
             "PROMETHEUS_MULTIPROC_DIR": str(metrics)}},
    )
    (here / name).write_text(str(service.pid))
    code = service.wait()
    sys.exit(7 if (here / "ends-badly").exists() and code == 0 else code)
elif command == "exec":
    print((here / "inside.json").read_text())
else:
    number = signal.SIGTERM if command == "stop" else signal.SIGKILL
    os.kill(int((here / words[-1]).read_text()), number)
"""


@dataclass(frozen=True)
class StandIn:
    """A folder with the program, and files that say how it misbehaves."""

    folder: Path

    def inside(self, **differs: Any) -> None:
        """What a look into the container finds."""
        (self.folder / "inside.json").write_text(json.dumps({**GOOD, **differs}))

    def misbehave(self, how: str) -> None:
        (self.folder / how).touch()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    made = StandIn(program.parent)
    made.inside()
    return made


def test_image(image: Path, bundle: Path) -> str:
    return run("test-image", str(image), "--bundle", str(bundle))


test_image.__test__ = False  # type: ignore[attr-defined]


def test_an_image_that_does_as_it_says_passes(docker: StandIn) -> None:
    lines = test_image(trained.bundle("iris"), trained.bundle("iris")).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == list(CLAIMS.values())
    assert all(" yes " in line for line in lines[1:])


@pytest.mark.parametrize(
    ("differs", "claim", "seen"),
    [
        ({"user": 0}, "user", "user 0"),
        ({"root": False}, "root", "writable"),
        ({"model": True}, "model", "writable"),
        ({"capabilities": 0x20}, "capabilities", "capabilities 0x20, new privileges refused"),
        ({"new_privileges": True}, "capabilities", "capabilities 0x0, new privileges allowed"),
    ],
    ids=["root", "writable root", "writable model", "capability", "new privileges"],
)
def test_a_container_with_too_many_permissions_fails(
    differs: dict[str, Any], claim: str, seen: str
) -> None:
    checks = image_test.judge_permissions({**GOOD, **differs})
    wrong = [(check.claim, check.seen) for check in checks if not check.passes]
    assert wrong == [(CLAIMS[claim], seen)]


def test_a_container_that_is_root_is_refused(docker: StandIn) -> None:
    docker.inside(user=0)
    bundle = trained.bundle("iris")
    with pytest.raises(RefusedError) as refused:
        test_image(bundle, bundle)
    assert (refused.value.expected, refused.value.found) == (CLAIMS["user"], "user 0")


def test_an_image_with_another_bundle_never_gets_ready_and_says_why(docker: StandIn) -> None:
    with pytest.raises(RefusedError) as refused:
        test_image(trained.bundle("iris", "sklearn"), trained.bundle("iris"))
    assert refused.value.expected.startswith(CLAIMS["ready"])
    assert refused.value.found.startswith("exit code 3: ")
    assert verify(trained.bundle("iris")).digest in refused.value.found


def test_an_image_that_takes_any_bundle_is_refused(
    docker: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_test, "EXIT_SECONDS", 5)
    docker.misbehave("ignores-digest")
    with pytest.raises(RefusedError) as refused:
        test_image(trained.bundle("iris"), trained.bundle("iris"))
    assert (refused.value.expected, refused.value.found) == (
        CLAIMS["refusal"],
        "still running after 5 s",
    )


def test_an_image_that_does_not_end_well_is_refused(docker: StandIn) -> None:
    docker.misbehave("ends-badly")
    with pytest.raises(RefusedError) as refused:
        test_image(trained.bundle("iris"), trained.bundle("iris"))
    assert (refused.value.expected, refused.value.found) == (CLAIMS["exit"], "exit code 7")


def test_nothing_is_run_without_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelctlError, match="docker is not on PATH"):
        test_image(trained.bundle("iris"), trained.bundle("iris"))


RUN = Run("host:5000/a/iris:1.0@sha256:12", "iris-test", 18080, 512, {"MODEL_DIGEST": "sha256:ab"})


def test_docker_gets_no_more_rights_than_a_pod() -> None:
    assert Docker().run(RUN) == [
        *("docker", "run", "--rm", "--name", "iris-test", "--read-only", "--tmpfs", "/tmp"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"),
        *("--publish", "127.0.0.1:18080:8080", "--env=MODEL_DIGEST=sha256:ab"),
        "host:5000/a/iris:1.0@sha256:12",
    ]
    assert Docker().pull("candidate:iris") == []


def test_containerd_pulls_by_digest_and_gets_no_more_rights_either() -> None:
    engine = Containerd("/run/c.sock")
    head = ["ctr", "--address", "/run/c.sock", "--namespace", "k8s.io"]
    pulled = [*head, "images", "pull", "--plain-http", "host:5000/a/iris@sha256:12"]
    assert engine.pull(RUN.image) == pulled
    words = engine.run(RUN)
    assert words[-2:] == ["host:5000/a/iris@sha256:12", "iris-test"]
    assert {"--read-only", "--cap-drop=CAP_SETUID", "--env=PORT=18080"} <= set(words)
    assert f"--memory-limit={512 * 1024 * 1024}" in words
    assert engine.pull("host:5000/iris:1.0")[-1] == "host:5000/iris:1.0"
