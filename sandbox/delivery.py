"""The steps of `up` after the bare cluster: registry, images, Argo CD and the releases.

The one place that knows their order; read it from top to bottom.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox import addresses, argocd, kube, process
from sandbox.components import argocd as processes
from sandbox.components import prometheus
from sandbox.components.redis import redis
from sandbox.components.registry import registry
from sandbox.forwarder import forwarder
from sandbox.forwards import Forward, api_forward
from sandbox.gitops import BRANCH, open_gitops
from sandbox.steps import Step, start_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.buildah import Buildah
    from sandbox.bundles import Bundle
    from sandbox.gitops import GitOps
    from sandbox.images import Image
    from sandbox.layout import Layout

# Printed after a step that printed its own lines.
_TOOK = "  took"
_SHOWN_PATHS = 4


def steps(layout: Layout) -> list[Step]:
    """Return the steps in order."""
    delivery = Delivery(layout, open_gitops(layout))
    return [
        Step("HEAD merged into the branch `sandbox`", delivery.merge_head),
        *platform_steps(layout, delivery),
        Step("base image", delivery.make_base),
        Step("models trained and packaged", delivery.make_bundles),
        Step("images pushed", delivery.make_images),
        Step("chart pushed", delivery.make_chart),
        Step("releases", delivery.release),
        Step("ports on this machine", delivery.open_addresses),
        Step("predictions verified", delivery.check_predictions),
    ]


def platform_steps(layout: Layout, delivery: Delivery, restored: Sequence[Step] = ()) -> list[Step]:
    """Return the steps to an Argo CD that follows git; `restored` before its processes start."""
    return [
        start_step(layout, redis(layout)),
        start_step(layout, registry(layout)),
        Step("Argo CD CRDs and settings", lambda: argocd.install(layout)),
        *restored,
        *(start_step(layout, component) for component in processes.components(layout)),
        Step("admission policy", delivery.admit),
        Step("Argo CD root Application", delivery.follow),
    ]


def forwards(layout: Layout) -> list[Forward]:
    """Return the forwards of an earlier run to what these steps start."""
    return addresses.forwards(addresses.read_addresses(layout))


def shorten_list(paths: list[str]) -> list[str]:
    """Return the first of many paths and the number of the rest."""
    rest = len(paths) - _SHOWN_PATHS
    return [*paths[:_SHOWN_PATHS], f"and {rest} more"] if rest > 1 else paths


@dataclass
class Delivery:
    """The steps of one run of `up`, and the results that later steps need."""

    layout: Layout
    gitops: GitOps
    bundles: dict[str, Bundle] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)

    def merge_head(self) -> str:
        """Merge the user's HEAD, and print which of their paths are not committed."""
        summary = self.gitops.prepare()
        if uncommitted := self.gitops.uncommitted():
            print(f"\n  not committed, so not deployed: {len(uncommitted)} paths")
            print("".join(f"    {path}\n" for path in shorten_list(uncommitted)), end="")
            return f"  {summary}"
        return summary

    def follow(self) -> str:
        """Let Argo CD follow the branch."""
        return argocd.follow(self.layout, self.gitops.worktree, self.gitops.url, BRANCH)

    def admit(self) -> None:
        """Refuse pods in namespaces whose baseline is not there yet."""
        policy = self.gitops.worktree / "deploy/admission/baseline-first.yaml"
        kube.apply_file(self.layout, policy)

    def make_base(self) -> str:
        """Build the base image unless it exists."""
        from sandbox.base import ensure_base

        buildah = self._buildah()
        print(flush=True)
        ensure_base(self.layout, buildah)
        return _TOOK

    def make_bundles(self) -> str:
        """Train and package every model of the branch that an environment has settings for."""
        from sandbox.bundles import make_bundles
        from sandbox.environments import models_with_folder

        print(flush=True)
        worktree = self.gitops.worktree
        for bundle in make_bundles(self.layout, worktree, models_with_folder(worktree)):
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
        """Push the chart if its version is new."""
        from sandbox.charts import ensure_chart

        lines = ensure_chart(self.layout, self.gitops)
        if len(lines) == 1:
            return lines[0]
        print("".join(f"\n  {line}" for line in lines))
        return _TOOK

    def release(self) -> str:
        """Promote every version through the environments, each Healthy before the next."""
        from sandbox import releases, rollout
        from sandbox.environments import read_environments, read_releases

        print(flush=True)
        builds = {model: (self.bundles[model], image) for model, image in self.images.items()}
        environments = read_environments(self.gitops.worktree)
        display = rollout.RolloutDisplay(is_tty=sys.stdout.isatty())
        for environment in environments:
            committed = releases.deliver(self.layout, self.gitops, environment, builds)
            for subject in committed:
                print(f"  committed: {subject}", flush=True)
            self.gitops.push()
            is_last = environment is environments[-1]
            if committed or is_last:
                # A broken later environment must not block the commit that would fix it.
                reached = environments[: environments.index(environment) + 1]
                expected = rollout.expectations(reached, read_releases(self.gitops.worktree))
                rollout.wait_for(self.layout, self.gitops, expected, display=display)
        return _TOOK

    def open_addresses(self) -> str:
        """Give every release and Argo CD a port on 127.0.0.1."""
        from sandbox.environments import read_releases

        released = read_releases(self.gitops.worktree)
        targets = [addresses.service_target(each.namespace, each.model) for each in released]
        known = addresses.read_addresses(self.layout)
        # Prometheus too, which `make observe` starts later: the forwarder need not restart then.
        wanted = [addresses.ARGOCD_TARGET, *targets, prometheus.TARGET]
        assigned = addresses.assign(wanted, known)
        addresses.write_addresses(self.layout, assigned)
        ports = [api_forward(self.layout), *addresses.forwards(assigned)]
        process.ensure(self.layout, forwarder(self.layout, ports))
        return f"{len(assigned)} open"

    def check_predictions(self) -> str:
        """Request a prediction from every release and print what runs where."""
        from sandbox import predictions
        from sandbox.environments import read_releases

        print("\n", flush=True)
        known = addresses.read_addresses(self.layout)
        checked = [
            predictions.check(
                entry,
                known[addresses.service_target(entry.namespace, entry.model)],
                self.bundles.get(entry.model),
            )
            for entry in read_releases(self.gitops.worktree)
        ]
        print(predictions.table(checked))
        print(f"\nArgo CD API (no login): {known[addresses.ARGOCD_TARGET].url}")
        print(f"To change a release, edit {self.gitops.worktree}, commit and `git push`")
        for entry in [entry for entry in checked if entry.body][:1]:
            print(f"\nThis request returned {entry.prediction}:\n{entry.curl}\n")
        return f"{len(checked)} releases serve the version in git,"

    def _buildah(self) -> Buildah:
        from sandbox.buildah import open_storage

        return open_storage(self.layout)
