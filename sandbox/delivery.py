"""The steps of `up` after the bare cluster: registry, images, Argo CD and the releases.

The one place that knows their order; read it from top to bottom.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox import addresses, argocd, process
from sandbox.components import argocd as processes
from sandbox.components import prometheus
from sandbox.components.redis import redis
from sandbox.components.registry import registry
from sandbox.forwarder import forwarder
from sandbox.forwards import Forward, api_forward
from sandbox.gitops import BRANCH, open_gitops
from sandbox.steps import Step, start

if TYPE_CHECKING:
    from sandbox.buildah import Buildah
    from sandbox.bundles import Bundle
    from sandbox.gitops import GitOps
    from sandbox.images import Image
    from sandbox.layout import Layout

# Shown after a step that printed lines of its own.
_TOOK = "  took"
_SHOWN_PATHS = 4


def steps(layout: Layout) -> list[Step]:
    """Return the steps in order."""
    delivery = Delivery(layout, open_gitops(layout))
    return [
        Step("your HEAD on the branch that Argo CD watches", delivery.take_head),
        start(layout, redis(layout)),
        start(layout, registry(layout)),
        Step("Argo CD's definitions", lambda: argocd.install(layout)),
        *(start(layout, component) for component in processes.components(layout)),
        Step("Argo CD follows the branch", delivery.follow),
        Step("base image", delivery.make_base),
        Step("models trained and packaged", delivery.make_bundles),
        Step("images in the registry", delivery.make_images),
        Step("chart in the registry", delivery.make_chart),
        Step("releases", delivery.release),
        Step("addresses on this machine", delivery.open_addresses),
        Step("predictions", delivery.check_predictions),
    ]


def forwards(layout: Layout) -> list[Forward]:
    """Return the ports on 127.0.0.1 that lead to what these steps start, as known so far."""
    return addresses.forwards(addresses.remembered(layout))


def shortened(paths: list[str]) -> list[str]:
    """Return the first of many paths and a word on the rest."""
    rest = len(paths) - _SHOWN_PATHS
    return [*paths[:_SHOWN_PATHS], f"and {rest} more"] if rest > 1 else paths


@dataclass
class Delivery:
    """What one run of `up` learns from step to step."""

    layout: Layout
    gitops: GitOps
    bundles: dict[str, Bundle] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)

    def take_head(self) -> str:
        """Merge the user's HEAD, and say what of theirs is left out."""
        said = self.gitops.prepare()
        left_out = self.gitops.uncommitted()
        if left_out:
            print(f"\n  not deployed, because not committed: {len(left_out)} paths")
            print("".join(f"    {path}\n" for path in shortened(left_out)), end="")
            return f"  {said}"
        return said

    def follow(self) -> str:
        """Let Argo CD follow the branch."""
        return argocd.follow(self.layout, self.gitops.worktree, self.gitops.url, BRANCH)

    def make_base(self) -> str:
        """Make the base image exist."""
        from sandbox.base import ensure_base

        buildah = self._buildah()
        print(flush=True)
        ensure_base(self.layout, buildah)
        return _TOOK

    def make_bundles(self) -> str:
        """Train and package every model of the branch that some environment asks for."""
        from sandbox.bundles import make_bundles
        from sandbox.environments import models_with_code

        print(flush=True)
        worktree = self.gitops.worktree
        for bundle in make_bundles(self.layout, worktree, models_with_code(worktree)):
            self.bundles[bundle.model] = bundle
            print(
                f"  {bundle.model} {bundle.version}: {bundle.engine} engine, {bundle.digest[:19]}"
            )
        return _TOOK

    def make_images(self) -> str:
        """Build and push the image of every bundle."""
        from sandbox.images import ensure_image

        print(flush=True)
        buildah = self._buildah()
        for model, bundle in self.bundles.items():
            image = ensure_image(self.layout, buildah, self.gitops, bundle)
            self.images[model] = image
            print(f"  {image.repository}:{image.tag} {image.digest[:19]}", flush=True)
        return _TOOK

    def make_chart(self) -> str:
        """Push the chart, if its version is new."""
        from sandbox.charts import ensure_chart

        said = ensure_chart(self.layout, self.gitops)
        if len(said) == 1:
            return said[0]
        print("".join(f"\n  {line}" for line in said))
        return _TOOK

    def release(self) -> str:
        """Let every version travel through the environments, each Healthy before the next."""
        from sandbox import releases, rollout
        from sandbox.environments import read_environments, read_releases

        print(flush=True)
        builds = {model: (self.bundles[model], image) for model, image in self.images.items()}
        environments = read_environments(self.gitops.worktree)
        progress = rollout.Progress(living=sys.stdout.isatty())
        before = None
        for environment in environments:
            done = releases.enter(self.layout, self.gitops, environment, builds, before)
            for subject in done:
                print(f"  committed: {subject}", flush=True)
            self.gitops.push()
            is_last = environment is environments[-1]
            if done or is_last:
                # A broken later environment must not keep out what would mend it.
                reached = environments[: environments.index(environment) + 1]
                expected = rollout.expectations(reached, read_releases(self.gitops.worktree))
                rollout.wait_for(self.layout, self.gitops, expected, progress=progress)
            before = environment
        return _TOOK

    def open_addresses(self) -> str:
        """Give every release and Argo CD a port on 127.0.0.1."""
        from sandbox.environments import read_releases

        found = read_releases(self.gitops.worktree)
        targets = [addresses.service_target(entry.namespace, entry.model) for entry in found]
        known = addresses.remembered(self.layout)
        # Prometheus too, though only `make observe` starts it: the forwarder need not change then.
        wanted = [addresses.ARGOCD_TARGET, *targets, prometheus.TARGET]
        assigned = addresses.assign(wanted, known)
        addresses.remember(self.layout, assigned)
        ports = [api_forward(self.layout), *addresses.forwards(assigned)]
        process.ensure(self.layout, forwarder(self.layout, ports))
        return f"{len(assigned)} open"

    def check_predictions(self) -> str:
        """Ask every release for a prediction and print what runs where."""
        from sandbox import predictions
        from sandbox.environments import read_releases

        print("\n", flush=True)
        known = addresses.remembered(self.layout)
        checked = [
            predictions.check(
                entry,
                known[addresses.service_target(entry.namespace, entry.model)],
                self.bundles.get(entry.model),
            )
            for entry in read_releases(self.gitops.worktree)
        ]
        print(predictions.table(checked))
        print(f"\nArgo CD's API, without login: {known[addresses.ARGOCD_TARGET].url}")
        print(f"Change something: edit {self.gitops.worktree}, commit, `git push`")
        for entry in [entry for entry in checked if entry.body][:1]:
            print(f"\nThis was answered just now with {entry.prediction}:\n{entry.curl}\n")
        return f"{len(checked)} of {len(checked)} releases answer as git says,"

    def _buildah(self) -> Buildah:
        from sandbox.buildah import open_storage

        return open_storage(self.layout)
