"""What the workflows do with a new version of a model, on the sandbox: read it from top to bottom.

Every step is a `make` target or a `modelctl` command that the workflows run too; only the commits
go to the clone that Argo CD watches instead of through pull requests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox import arrival, images, lock, netns, process, releases, signing
from sandbox.buildah import open_storage
from sandbox.bundles import Bundle, make_bundles, run_modelctl
from sandbox.delivery import Delivery
from sandbox.environments import (
    Environment,
    Release,
    models_of,
    models_with_folder,
    read_environments,
    read_releases,
)
from sandbox.errors import AbortedError, SandboxError
from sandbox.gitops import open_gitops
from sandbox.process import write_file
from sandbox.timeline import Timeline

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.images import Image
    from sandbox.layout import Layout

SHOWN_DIGEST = 19
MAX_REASON = 120


def run(layout: Layout, model: str) -> None:
    """Release the committed model to every environment. Raises SandboxError.

    The error is raised after the environment in which the release failed is rolled back and the
    timeline is printed.
    """
    _require_running_sandbox(layout)
    timeline = Timeline()
    try:
        Pipeline(layout, model, timeline).run()
    finally:
        print(f"\n{timeline.text()}\n")
        write_file(record(layout, model), timeline.as_json(), 0o644)


def test_image(layout: Layout, model: str) -> None:
    """Build the committed model's image and test it as a pod would run it. Raises SandboxError."""
    _require_running_sandbox(layout)
    pipeline = Pipeline(layout, model, Timeline())
    pipeline.build()
    pipeline.test()


def record(layout: Layout, model: str) -> Path:
    """Return the file with the timeline of the last run, as JSON."""
    return layout.logs / f"pipeline-{model}.json"


class Pipeline:
    """The steps of one run, and the results that later steps need."""

    def __init__(self, layout: Layout, model: str, timeline: Timeline) -> None:
        self.layout = layout
        self.model = model
        self.gitops = open_gitops(layout)
        self.buildah = open_storage(layout)
        self.timeline = timeline
        self.bundle: Bundle
        self.candidate: Image
        self.image: Image

    def run(self) -> None:
        """Release to every environment. Raises SandboxError at the first failure."""
        self.build()
        self.test()
        self.timeline.step("push", self._push)
        self.timeline.step("sign", self._sign)
        self.timeline.step("verify signature", lambda: signing.verify(self.layout, self.image))
        for environment in read_environments(self.gitops.worktree):
            if self.model in models_of(self.gitops.worktree, environment.name):
                self._enter(environment)

    def build(self) -> None:
        """Train, check data and metrics, build."""
        step = self.timeline.step
        step("merge your HEAD", self.gitops.prepare)
        self._require_known_model()
        step("train and package", self._train)
        step("validate data", self._validate)
        step("quality gate", self._gate)
        step("build", self._build)

    def test(self) -> None:
        """Test the image as a pod would run it."""
        self.timeline.step("container test", self._test)

    # --- the build

    def _train(self) -> str:
        (self.bundle,) = make_bundles(self.layout, self.gitops.worktree, [self.model])
        bundle = self.bundle
        return f"{self.model} {bundle.version}, {bundle.engine} engine, {_short(bundle.digest)}"

    def _validate(self) -> str:
        return self._modelctl("validate", self.model)

    def _gate(self) -> str:
        metrics = json.loads(self._modelctl("gate", self.model, "--output", "json"))
        return ", ".join(
            f"{each['metric']} {each['found']:g} (baseline {each['baseline']['value']:g})"
            for each in metrics
            if each["baseline"]
        )

    def _build(self) -> str:
        """Build and push the candidate: containerd runs images from the registry only."""
        # A build discards the working containers of other builds.
        with lock.exclusive(wait=True):
            key = images.key_of(self.layout, self.buildah, self.gitops, self.bundle)
            images.build(self.layout, self.buildah, self.gitops, self.bundle, key)
            tag = f"candidate-{key[:12]}"
            self.candidate = images.push(self.layout, self.buildah, self.bundle, key, tag)
        return f"{self.candidate.tag}, {_short(self.candidate.digest)}"

    def _test(self) -> str:
        table = self._modelctl(
            *("test-image", str(self.candidate), "--bundle", self.bundle.folder.absolute()),
            *("--containerd", self.layout.containerd_socket),
            in_netns=True,
        )
        checks = [line.split("  ")[0] for line in table.splitlines()[1:]]
        return f"{len(checks)} checks passed: {', '.join(checks)}"

    def _push(self) -> str:
        with lock.exclusive(wait=True):
            self.image = images.ensure_image(self.layout, self.buildah, self.gitops, self.bundle)
        if self.image.digest != self.candidate.digest:
            raise SandboxError(
                "the pushed image is not the tested one",
                found=str(self.image),
                expected=self.candidate.digest,
                fix="run the pipeline again",
            )
        return f"{self.image.tag}, {_short(self.image.digest)}"

    def _sign(self) -> str:
        return signing.sign(self.layout, self.gitops.worktree, self.model, self.image)

    # --- the environments

    def _enter(self, environment: Environment) -> None:
        known = self._release(environment)
        action = "bump" if environment.direct else "promote to"
        self.timeline.step(f"{action} {environment.name}", lambda: self._commit(environment))
        changed = self._release(environment) != known
        release = releases.release_of(self.gitops, environment.name, self.model)
        try:
            self._verify(release)
        except SandboxError as error:
            if changed:
                self._roll_back(environment, known, error)
            raise
        if environment.verified and release.digest == self.bundle.digest:
            self.timeline.step(f"verify {environment.name}", lambda: self._record(release))

    def _commit(self, environment: Environment) -> str:
        if environment.direct:
            done = releases.bump(
                self.layout, self.gitops, environment.name, self.bundle, self.image
            )
        else:
            done = releases.promote(
                self.layout, self.gitops, environment.name, self.model, live=True
            )
        self.gitops.push()
        return done[0] if done else "already up to date"

    def _verify(self, release: Release) -> None:
        name = release.environment
        self.timeline.step(
            f"{name} healthy", lambda: arrival.wait_healthy(self.layout, self.gitops, release)
        )
        self._open_address(release)
        self.timeline.step(
            f"{name} smoke test",
            lambda: arrival.wait_served(
                self.layout,
                self.gitops,
                release,
                self.bundle if release.digest == self.bundle.digest else None,
            ),
        )

    def _record(self, release: Release) -> str:
        """Record that the release answers as packaged: the next promotion asks for it."""
        from sandbox import addresses

        target = addresses.service_target(release.namespace, release.model)
        url = addresses.read_addresses(self.layout)[target].url
        return self._modelctl(
            *("verify-release", self.model, "--env", release.environment, "--record"),
            *("--bundle", self.bundle.folder.absolute(), "--url", url),
        ).splitlines()[0]

    def _roll_back(
        self, environment: Environment, known: Release | None, error: SandboxError
    ) -> None:
        """Restore the earlier version here; environments where the new one works keep it."""
        if known is None:
            print(f"no rollback: this is the first version in {environment.name}")
            return
        why = error.found if isinstance(error, AbortedError) else error.what
        reason = f"pipeline failed: {' '.join(why.split())}"[:MAX_REASON]

        def roll_back() -> str:
            done = releases.roll_back(
                self.layout,
                self.gitops,
                environment.name,
                self.model,
                reason,
                aborted=isinstance(error, AbortedError),
            )
            self.gitops.push()
            return done[0] if done else "already up to date"

        self.timeline.step(f"roll back {environment.name}", roll_back)
        release = releases.release_of(self.gitops, environment.name, self.model)
        self.timeline.step(
            f"{environment.name} healthy again",
            lambda: arrival.wait_healthy(self.layout, self.gitops, release),
        )
        self.timeline.step(
            f"{environment.name} serves {release.version}",
            lambda: arrival.wait_served(self.layout, self.gitops, release, None),
        )

    # --- helpers

    def _modelctl(self, *words: str | Path, in_netns: bool = False) -> str:
        result = run_modelctl(self.layout, self.gitops.worktree, *words, in_netns=in_netns)
        return result.stdout.strip()

    def _release(self, environment: Environment) -> Release | None:
        for release in read_releases(self.gitops.worktree):
            if (release.environment, release.model) == (environment.name, self.model):
                return release
        return None

    def _open_address(self, release: Release) -> None:
        """Assign a port to a model that is released here for the first time."""
        from sandbox import addresses

        target = addresses.service_target(release.namespace, release.model)
        if target not in addresses.read_addresses(self.layout):
            Delivery(self.layout, self.gitops).open_addresses()

    def _require_known_model(self) -> None:
        known = models_with_folder(self.gitops.worktree)
        if self.model not in known:
            raise SandboxError(
                f"unknown model '{self.model}'",
                found=self.model or "no MODEL",
                expected=f"one of {', '.join(known)}",
                fix=f"run `make pipeline MODEL={known[0] if known else 'NAME'}`",
            )


def _require_running_sandbox(layout: Layout) -> None:
    if not netns.exists() or process.find_running(layout, "argocd-controller") is None:
        raise SandboxError(
            "the sandbox is not running",
            found="no Argo CD of this checkout",
            expected="a running sandbox",
            fix="run `make up`",
        )


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGEST]
