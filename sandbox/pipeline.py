"""What the workflows do with a new version of a model, on the sandbox: read it from top to bottom.

Every step is a `make` target or a `modelctl` command that the workflows run, too; only the commits
go into the clone that Argo CD watches and not through pull requests.
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
    models_with_code,
    read_environments,
    read_releases,
)
from sandbox.errors import SandboxError
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
    """Take the model as it is committed through every environment. Raises SandboxError.

    What stopped it is raised after the timeline was printed, and after the environment in which
    it failed has its earlier version back.
    """
    _refuse_without_sandbox(layout)
    timeline = Timeline()
    try:
        Pipeline(layout, model, timeline).go()
    finally:
        print(f"\n{timeline.text()}\n")
        write_file(record(layout, model), timeline.as_json(), 0o644)


def test_image(layout: Layout, model: str) -> None:
    """Build the image of the model as it is committed, and run it as a pod. Raises SandboxError."""
    _refuse_without_sandbox(layout)
    pipeline = Pipeline(layout, model, Timeline())
    pipeline.make()
    pipeline.try_out()


def record(layout: Layout, model: str) -> Path:
    """Return the file with the timeline of the last run, as JSON."""
    return layout.logs / f"pipeline-{model}.json"


class Pipeline:
    """One run: what it learns from step to step."""

    def __init__(self, layout: Layout, model: str, timeline: Timeline) -> None:
        self.layout = layout
        self.model = model
        self.gitops = open_gitops(layout)
        self.buildah = open_storage(layout)
        self.timeline = timeline
        self.bundle: Bundle
        self.candidate: Image
        self.image: Image

    def go(self) -> None:
        """From the commit to the last environment. Raises SandboxError at the first failure."""
        self.make()
        self.try_out()
        self.timeline.step("push", self._push)
        self.timeline.step("sign", self._sign)
        self.timeline.step("signed by us?", lambda: signing.verify(self.layout, self.image))
        before = None
        for environment in read_environments(self.gitops.worktree):
            if self.model in models_of(self.gitops.worktree, environment.name):
                self._enter(environment, before)
                before = environment

    def make(self) -> None:
        """Train, compare with what is expected, build."""
        step = self.timeline.step
        step("take your HEAD", self.gitops.prepare)
        self._refuse_unknown()
        step("train and package", self._train)
        step("rows as expected?", self._validate)
        step("as good as before?", self._gate)
        step("build", self._build)

    def try_out(self) -> None:
        """Run what was built as a pod runs it."""
        self.timeline.step("container test", self._test)

    # --- the build

    def _train(self) -> str:
        (self.bundle,) = make_bundles(self.layout, self.gitops.worktree, [self.model])
        bundle = self.bundle
        return f"{self.model} {bundle.version}, {bundle.engine} engine, {_short(bundle.digest)}"

    def _validate(self) -> str:
        return self._modelctl("validate", self.model)

    def _gate(self) -> str:
        verdicts = json.loads(self._modelctl("gate", self.model, "--output", "json"))
        return ", ".join(
            f"{entry['metric']} {entry['found']:g} (before: {entry['baseline']['value']:g})"
            for entry in verdicts
            if entry["baseline"]
        )

    def _build(self) -> str:
        """The image goes into the registry, because only from there do containers come."""
        # A build throws away what it finds of others.
        with lock.exclusive(waiting=True):
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
        claims = [line.split("  ")[0] for line in table.splitlines()[1:]]
        return f"{len(claims)} claims hold: {', '.join(claims)}"

    def _push(self) -> str:
        with lock.exclusive(waiting=True):
            self.image = images.ensure_image(self.layout, self.buildah, self.gitops, self.bundle)
        if self.image.digest != self.candidate.digest:
            raise SandboxError(
                "what is pushed is not what was tried out",
                found=str(self.image),
                expected=self.candidate.digest,
                fix="run the pipeline again",
            )
        return f"{self.image.tag}, {_short(self.image.digest)}"

    def _sign(self) -> str:
        return signing.sign(self.layout, self.gitops.worktree, self.model, self.image)

    # --- the environments

    def _enter(self, environment: Environment, before: Environment | None) -> None:
        known = self._release(environment)
        how = "bump in" if before is None else "promote to"
        self.timeline.step(f"{how} {environment.name}", lambda: self._commit(environment))
        changed = self._release(environment) != known
        release = releases.release_of(self.gitops, environment.name, self.model)
        try:
            self._arrive(release)
        except SandboxError as error:
            if changed:
                self._roll_back(environment, known, error)
            raise

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
        return done[0] if done else "git says so already"

    def _arrive(self, release: Release) -> None:
        name = release.environment
        self.timeline.step(
            f"{name} healthy", lambda: arrival.wait_healthy(self.layout, self.gitops, release)
        )
        self._open_address(release)
        self.timeline.step(
            f"{name} serves it",
            lambda: arrival.wait_served(
                self.layout,
                self.gitops,
                release,
                self.bundle if release.digest == self.bundle.digest else None,
            ),
        )

    def _roll_back(
        self, environment: Environment, known: Release | None, error: SandboxError
    ) -> None:
        """Put back what was there; earlier environments, where it did well, keep the version."""
        if known is None:
            print(f"nothing to go back to: it is the first version in {environment.name}")
            return
        reason = f"the pipeline stopped: {error.what}"[:MAX_REASON]

        def back() -> str:
            done = releases.roll_back(
                self.layout, self.gitops, environment.name, self.model, reason
            )
            self.gitops.push()
            return done[0] if done else "git says so already"

        self.timeline.step(f"roll back {environment.name}", back)
        release = releases.release_of(self.gitops, environment.name, self.model)
        self.timeline.step(
            f"{environment.name} healthy again",
            lambda: arrival.wait_healthy(self.layout, self.gitops, release),
        )
        self.timeline.step(
            f"{environment.name} serves {release.version}",
            lambda: arrival.wait_served(self.layout, self.gitops, release, None),
        )

    # --- what they share

    def _modelctl(self, *words: str | Path, in_netns: bool = False) -> str:
        found = run_modelctl(self.layout, self.gitops.worktree, *words, in_netns=in_netns)
        return found.stdout.strip()

    def _release(self, environment: Environment) -> Release | None:
        found = read_releases(self.gitops.worktree)
        ours = [r for r in found if (r.environment, r.model) == (environment.name, self.model)]
        return ours[0] if ours else None

    def _open_address(self, release: Release) -> None:
        """A model that is released here for the first time has no port on this machine yet."""
        from sandbox import addresses

        target = addresses.service_target(release.namespace, release.model)
        if target not in addresses.remembered(self.layout):
            Delivery(self.layout, self.gitops).open_addresses()

    def _refuse_unknown(self) -> None:
        known = models_with_code(self.gitops.worktree)
        if self.model not in known:
            raise SandboxError(
                f"there is no model '{self.model}' to build",
                found=self.model or "no MODEL",
                expected=f"one of {', '.join(known)}",
                fix=f"make pipeline MODEL={known[0] if known else 'NAME'}",
            )


def _refuse_without_sandbox(layout: Layout) -> None:
    if not netns.exists() or process.find_running(layout, "argocd-controller") is None:
        raise SandboxError(
            "the sandbox does not run",
            found="no Argo CD of this checkout",
            expected="a cluster to deploy to",
            fix="make up",
        )


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGEST]
