"""A version file that names another bundle than the image holds: refused, seen, and harmless."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .loop import Loop, eventually, measured

pytestmark = pytest.mark.loop

WRONG = "sha256:" + "0" * 64


def test_a_wrong_digest_never_serves_and_never_takes_the_old_version_down(
    loop: Loop, sample: Path
) -> None:
    release = loop.release("dev-iris")
    version = "environments/dev/iris/version.yaml"
    settings = "environments/dev/iris/settings.yaml"

    def edit() -> None:
        path = loop.worktree / version
        path.write_text(path.read_text().replace(release.digest, WRONG))
        # A rollout that cannot succeed is given up sooner, so that the test need not wait.
        path = loop.worktree / settings
        text = re.sub(r"^(startBudgetSeconds|progressDeadlineSeconds):.*\n", "", path.read_text())
        path.write_text(f"{text}startBudgetSeconds: 10\nprogressDeadlineSeconds: 20\n")

    with loop.probing(release, sample) as report:
        with loop.change(edit, "A digest that no bundle has", version, settings):
            eventually("make status shows the refusal", lambda: refusal(loop, release.digest), 120)
            seconds = eventually("the Application is Degraded", lambda: degraded(loop), 180)
            measured("a refused version makes its Application Degraded", seconds, 60)
            assert deadline_exceeded(loop)
        assert loop.application("dev-iris")["health"]["status"] == "Healthy"
    assert report["failed"] == 0, report
    assert set(report["versions"]) == {release.version}, report


def refusal(loop: Loop, found: str) -> tuple[bool, str]:
    """Whether the table says what was expected, what was found, and what to do."""
    status = " ".join(loop.status().split())
    line = status[status.find("dev-iris refused") :]
    unwrapped = line.replace(" ", "")
    seen = line.startswith("dev-iris refused") and WRONG in unwrapped and found in unwrapped
    return seen, line[:300]


def degraded(loop: Loop) -> tuple[bool, str]:
    health = loop.application("dev-iris")["health"]["status"]
    return health == "Degraded", health


def deadline_exceeded(loop: Loop) -> bool:
    conditions = loop.get("deployment", "iris", "--namespace=ml-dev")["status"]["conditions"]
    return any(item.get("reason") == "ProgressDeadlineExceeded" for item in conditions)
