"""`make pipeline`: a good version reaches production, a worse one stops, a broken one goes back.

Commits as a developer does, into the clone that Argo CD watches. At the end everything is as it was
found, in a commit whose second parent is the one from before: so git's history of a file, and with
it the digest of the model, is the old one too.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import arrival, bundles, pipeline, web
from sandbox.environments import Release
from sandbox.layout import REGISTRY

from .loop import Loop, measured
from .test_loop import wait_for_one_generation

MODEL, TRAINING, SERVER = "models/iris/model.yaml", "models/iris/train.py", "app/server.py"
SETTINGS = "environments/dev/iris/settings.yaml"
GOOD, WORSE, BROKEN = "1.0.1-pipeline", "1.0.2-pipeline", "1.0.3-pipeline"
PIPELINE_SECONDS = 100
ROLLBACK_SECONDS = 90

# Beside the service in one container all is well; in a cluster it ends once its bundle is accepted.
CRASH = """\
    service = load_service(settings, started)
    import os

    if "KUBERNETES_SERVICE_HOST" in os.environ:
        raise SystemExit("this build does not like clusters")
"""


@dataclass(frozen=True)
class Done:
    """How `make pipeline` ended: what it printed, and the timeline that it wrote."""

    code: int
    output: str
    entries: list[dict[str, Any]]
    seconds: float

    def states(self) -> dict[str, str]:
        """Each step and how it ended, in order."""
        return {entry["title"]: entry["state"] for entry in self.entries}

    @property
    def last(self) -> dict[str, Any]:
        return self.entries[-1]


class Developer:
    """Somebody who changes iris in the clone, and runs the pipeline."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.start = loop.gitops.head()
        self.environments = [environment.name for environment in loop.environments]
        self.versions = [f"environments/{name}/iris/version.yaml" for name in self.environments]

    def releases(self) -> list[Release]:
        return [self.loop.release(f"{name}-iris") for name in self.environments]

    def commit(self, version: str, **edits: tuple[str, str, str]) -> None:
        """Commit a new version; each edit is a file, a text in it, and what stands there now."""
        self._restore([MODEL, TRAINING, SERVER, SETTINGS])
        wanted = {"version": (MODEL, "version: 1.0.0", f"version: {version}"), **edits}
        for path, old, new in wanted.values():
            file = self.loop.worktree / path
            text = file.read_text()
            assert text.count(old) == 1, f"{path} has changed: correct this test"
            file.write_text(text.replace(old, new))
        self.loop.push(f"iris {version}", MODEL, TRAINING, SERVER, SETTINGS)

    def run(self) -> Done:
        """Run it as a user does."""
        record = pipeline.record(self.loop.layout, "iris")
        record.unlink(missing_ok=True)
        started = time.monotonic()
        argv = ["make", "--no-print-directory", "pipeline", "MODEL=iris"]
        done = subprocess.run(
            argv,
            cwd=self.loop.layout.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"\n{done.stdout}", flush=True)
        entries = json.loads(record.read_text()) if record.exists() else []
        return Done(done.returncode, done.stdout, entries, time.monotonic() - started)

    def images(self) -> list[str]:
        """The image that each release's Deployment asks for."""
        found = []
        for release in self.releases():
            made = arrival.read_deployment(self.loop.layout, release)
            found.append(made["spec"]["template"]["spec"]["containers"][0]["image"])
        return found

    def tags(self) -> list[str]:
        """What the registry has of iris."""
        reply = web.request("GET", f"http://{REGISTRY}/v2/iris/tags/list", in_netns=True)
        return sorted(json.loads(reply.body)["tags"])

    def put_back(self) -> None:
        """Give every file back what it held; see the top."""
        self._restore([MODEL, TRAINING, SERVER, SETTINGS, *self.versions])
        git = self.loop.gitops.git
        tree = git.line("write-tree")
        parents = ("-p", git.line("rev-parse", "HEAD"), "-p", self.start)
        message = "Everything as before the tests of the pipeline"
        git("reset", "--soft", git.line("commit-tree", tree, *parents, "-m", message))
        self.loop.gitops.push()

    def _restore(self, paths: list[str]) -> None:
        self.loop.gitops.git("checkout", self.start, "--", *paths)


@pytest.fixture(scope="module")
def developer(loop: Loop) -> Iterator[Developer]:
    """What they did is gone at the end: from git, from the cluster, and from the build folder."""
    loop.wait_synced()
    made = Developer(loop)
    before = made.releases()
    yield made
    started = time.monotonic()
    made.put_back()
    loop.wait_synced()
    (bundle,) = bundles.make_bundles(loop.layout, loop.worktree, ["iris"])
    assert made.releases() == before
    assert bundle.digest == before[0].digest, "the next `make up` would release another build"
    for release in before:
        arrival.wait_served(loop.layout, loop.gitops, release, bundle)
    measured("everything as before", time.monotonic() - started, target=60)


def test_a_new_version_reaches_production_without_a_failed_request(
    developer: Developer, sample: Path
) -> None:
    loop = developer.loop
    before = developer.releases()
    developer.commit(GOOD)
    with ExitStack() as stack:
        calm = ("--connections", "2", "--pause", "0.05")
        reports = [stack.enter_context(loop.probing(r, sample, *calm)) for r in before]
        done = developer.run()
        for release in before:
            wait_for_one_generation(loop, release.name)
    assert done.code == 0, done.output
    assert list(done.states()) == [
        *("merge your HEAD", "train and package", "validate data", "quality gate"),
        *("build", "container test", "push", "sign", "verify signature"),
        *("bump dev", "dev healthy", "dev smoke test"),
        *("promote to staging", "staging healthy", "staging smoke test"),
        *("promote to production", "production healthy", "production smoke test"),
    ]
    assert set(done.states().values()) == {"done"}
    after = developer.releases()
    assert {release.version for release in after} == {GOOD}
    assert len({(release.digest, release.image) for release in after}) == 1
    for release, report in zip(before, reports, strict=True):
        assert report["failed"] == 0, (release.name, report)
        assert set(report["versions"]) == {release.version, GOOD}, (release.name, report)
    assert "production smoke test" in done.output.partition("AT  SECONDS  STEP")[2]
    measured("a commit in production", done.seconds, PIPELINE_SECONDS)


def test_a_worse_model_is_stopped_before_there_is_an_image(developer: Developer) -> None:
    weaker = ("LogisticRegression(max_iter=1000)", "LogisticRegression(max_iter=1000, C=1e-6)")
    developer.commit(WORSE, training=(TRAINING, *weaker))
    head, releases = developer.loop.gitops.head(), developer.releases()
    images, tags = developer.images(), developer.tags()
    done = developer.run()
    assert done.code != 0
    assert done.last["title"] == "quality gate"
    assert done.last["state"] == "refused"
    assert "error: 'iris' is worse than its metric baseline" in done.output
    assert "expected at least 0.94" in done.output
    git = developer.loop.gitops.git
    assert git.line("log", "--format=%s", f"{head}..HEAD", "--", *developer.versions) == ""
    assert developer.releases() == releases
    assert developer.images() == images
    assert developer.tags() == tags
    measured("a worse model is refused", done.seconds, target=30)


def test_a_build_that_crashes_in_the_cluster_is_rolled_back(
    developer: Developer, sample: Path
) -> None:
    loop = developer.loop
    before = developer.releases()
    # A rollout that cannot succeed is given up sooner, so that the test need not wait.
    sooner = ("config:", "startBudgetSeconds: 20\nprogressDeadlineSeconds: 30\nconfig:")
    developer.commit(
        BROKEN,
        crash=(SERVER, "    service = load_service(settings, started)\n", CRASH),
        settings=(SETTINGS, *sooner),
    )
    with loop.probing(before[0], sample, "--connections", "2") as report:
        done = developer.run()
        wait_for_one_generation(loop, before[0].name)
    assert done.code != 0
    states = done.states()
    assert states["container test"] == states["bump dev"] == "done"
    assert list(states.items())[-4:] == [
        ("dev healthy", "failed"),
        ("roll back dev", "done"),
        ("dev healthy again", "done"),
        (f"dev serves {before[0].version}", "done"),
    ]
    assert developer.releases() == before
    assert "the rollout of dev-iris failed" in done.output
    subject = loop.gitops.git.line("log", "-1", "--format=%s")
    assert subject.startswith(f"Roll back iris to {before[0].version} in dev: pipeline failed")
    assert report["failed"] == 0, report
    assert set(report["versions"]) == {before[0].version}, report
    measured("a broken build is rolled back", done.seconds, ROLLBACK_SECONDS)
