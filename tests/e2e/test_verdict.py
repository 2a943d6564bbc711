"""The verdict at work: faulty versions of iris enter dev in git, are found out, and git goes back.

Real requests through Traefik, the chart's rules in a real Prometheus, the AnalysisRuns of the real
controller; the way back is the pipeline's. Edits iris in dev, so nothing may run beside it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sandbox import arrival, images, lock, netns, observe, pipeline, releases
from sandbox.buildah import open_storage
from sandbox.bundles import read_bundle, run_modelctl
from sandbox.errors import AbortedError
from tests import rendering

from . import faulty, observing, runbooks, test_canary
from .ad_hoc import applied, merged
from .loop import measured
from .progressive import Delivered, watching_weights
from .test_gateway import wait_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.environments import Release

    from .loop import Loop
    from .test_gateway import Gateway

gateway = test_canary.gateway

NAME = "dev-iris"
FOLDER = "environments/dev/iris"
SETTINGS, CAPACITY = f"{FOLDER}/settings.yaml", f"{FOLDER}/capacity.yaml"
WEIGHT = 15
JUDGED: dict[str, Any] = {
    **test_canary.ROUTED,
    "metrics": {
        "monitor": "ServiceMonitor",
        "interval": observe.SCRAPE_INTERVAL,
        "rules": {"enabled": True, "runbookUrl": "https://git.example/runbooks"},
    },
    "rollout": {
        "strategy": "canary",
        "router": "traefik",
        "abortScaleDownDelaySeconds": 5,
        "steps": {"10-few": {"weight": WEIGHT, "pods": 1, "analysis": True}},
        "analysis": {
            "enabled": True,
            "prometheus": {"serverAddress": observing.URL},
            # Two busy cores, and an engine that takes longer than that of the stable version. Other
            # answers come with another confidence: one check for each fault.
            "tolerated": {"latency": 0.03, "shed": 0.01, "confidence": 0},
        },
    },
}
# Room for the other engine; of both versions, since capacity belongs to the release.
MEMORY = {"resources": {"requests": {"memory": "384Mi"}, "limits": {"memory": "384Mi"}}}


@dataclass(frozen=True)
class Case:
    """A fault, and the check that has to find it within so many seconds of the canary's traffic.

    `pause`: of each connection between two requests, in seconds.
    """

    fault: str
    check: str
    seconds: float
    pause: float


CASES = (
    Case("forgetful", "availability", 180, 0.03),
    Case("shifted", "predictions", 300, 0.03),
    # Slow requests queue up: fewer, so that none is shed.
    Case("slow", "latency", 300, 0.06),
)


@pytest.fixture(scope="module")
def judged(loop: Loop, controller: None, gateway: Gateway) -> Iterator[Release]:
    """Iris in dev by a judged canary behind Traefik, with a Prometheus that has its rules."""
    share = rendering.TOOLS.parent / "share"
    files = sorted(share.glob("crds-prometheus/crds/*"))
    definitions = [part for file in files for part in rendering.parse(file.read_text())]
    changes = {SETTINGS: JUDGED, CAPACITY: MEMORY}

    def edit() -> None:
        for path, values in changes.items():
            file = loop.worktree / path
            whole = merged(yaml.safe_load(file.read_text(encoding="utf-8")), values)
            file.write_text(yaml.safe_dump(whole), encoding="utf-8")

    with ExitStack() as stack:
        # Whatever is rendered with them has to be gone before they are.
        stack.enter_context(applied(loop, definitions))
        loop.wait_defined(definitions)
        stack.enter_context(loop.change(edit, "Iris in dev by a judged canary", *changes))
        measured("a release moves to a judged canary", loop.wait_synced(), 60)
        release = loop.release(NAME)
        wait_answer(gateway, test_canary.HOST, "/ready")
        manifests = observe.render(loop.layout, release)
        plan = observe.make_plan(manifests, loop.layout.inner_kubeconfig)
        stack.enter_context(observing.running(loop, plan))
        yield release


@pytest.fixture(scope="module")
def bodies(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many different rows like those of the training."""
    packaged = json.loads((loop.found / "build/bundles/iris/sample.json").read_text())
    path = tmp_path_factory.mktemp("bodies") / "bodies.jsonl"
    faulty.bodies(packaged["rows"], path)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
def test_a_faulty_version_is_aborted_and_git_goes_back(
    loop: Loop, judged: Release, gateway: Gateway, bodies: Path, tmp_path: Path, case: Case
) -> None:
    layout, gitops = loop.layout, loop.gitops
    bundle = read_bundle(layout, loop.worktree, faulty.package(tmp_path / "made", case.fault))
    with lock.exclusive(wait=True):
        image = images.ensure_image(layout, open_storage(layout), gitops, bundle)
    handle = Delivered(loop, "iris", {}, namespace=judged.namespace)
    options = (f"--url=http://{test_canary.HOST}/predict", f"--pause={case.pause}")
    with (
        watching_weights(handle) as seen,
        loop.probing(gateway, bodies, *options) as report,
    ):
        assert releases.bump(layout, gitops, "dev", bundle, image)
        gitops.push()
        with pytest.raises(AbortedError) as aborted:
            arrival.wait_healthy(layout, gitops, loop.release(NAME))
        status = run_modelctl(layout, loop.worktree, "status", "iris", "--env", "dev").stdout
        if case is CASES[0]:
            inside = layout.inner_kubeconfig
            pages = [runbooks.PAGES / name for name in runbooks.OF_ROLLOUTS]
            runbooks.diagnose(loop, pages, judged, observing.URL, inside, netns.enter_argv)
        why = " ".join(aborted.value.found.split())
        releases.roll_back(layout, gitops, "dev", "iris", why[: pipeline.MAX_REASON], aborted=True)
        gitops.push()
        arrival.wait_healthy(layout, gitops, loop.release(NAME))

    # The check that the fault is about, and no other, by every way to hear of it.
    assert f'"{case.check}"' in why
    failed = [line for line in status.splitlines() if f"{NAME} check " in line and "Failed" in line]
    assert [line.split()[2] for line in failed] == [case.check], status
    # Git is as it was, and says which version was aborted.
    assert loop.release(NAME) == judged
    trailer = gitops.git.line("log", "-1", "--format=%(trailers:key=Aborted,valueonly)")
    assert trailer.startswith("dev/iris: ")
    assert bundle.digest in trailer

    assert seen.values == [(0,), (WEIGHT,), (0,)], seen.states
    begun, ended = (at for at, _ in seen.states[1:])
    measured(f"{case.fault}: aborted by {case.check}", ended - begun, case.seconds)
    assert ended - begun < case.seconds
    assert report["versions"][bundle.version] > 0, "the canary answered nobody"
    if case.check == "availability":
        assert 0 < report["failed"] < report["requests"] / 100, report
        assert all("status 500" in failure for failure in report["failures"])
    else:
        assert report["failed"] == 0, report
