"""The disaster drill: save what git does not hold, destroy, bring back, compare what serves.

Acts on the sandbox of this checkout and nothing else. The one place that knows its order; what a
copy is, is in `copies`, and the steps that bring a cluster up are those of `make up`.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from sandbox import (
    cluster,
    copies,
    delivery,
    inventory,
    kube,
    lock,
    netns,
    predictions,
    process,
    web,
)
from sandbox import rollout as rollouts
from sandbox.addresses import read_addresses, service_target
from sandbox.bundles import read_bundle
from sandbox.components import argocd as processes
from sandbox.components.registry import registry
from sandbox.environments import Release, read_environments, read_releases
from sandbox.errors import SandboxError
from sandbox.forwards import api_forward
from sandbox.gitops import open_gitops
from sandbox.layout import REGISTRY
from sandbox.proc import run
from sandbox.steps import Step, run_steps
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sandbox.copies import Part
    from sandbox.gitops import GitOps
    from sandbox.layout import Layout

ETCD, REGISTRY_CASE, BOTH = "etcd", "registry", "both"
RECOVERY_SECONDS = 300
STOPS_SERVING_SECONDS = 120
# Objects whose age tells kube-state-metrics when a copy and a drill last succeeded.
BACKUP_RECORD, DRILL_RECORD = "last-backup", "last-drill"


@dataclass(frozen=True)
class Outcome:
    """One case: seconds from the destruction until all serves again, and what was lost."""

    case: str
    recovery: float
    releases: int
    lost: inventory.Lost


@dataclass
class Drill:
    """One run over the sandbox; `target` is the folder of the copies."""

    layout: Layout
    gitops: GitOps
    target: Path

    # --- what is saved

    def parts(self) -> list[Part]:
        """Return everything that git does not hold and that is there, with its purpose."""
        listed = [
            self._registry,
            copies.Part(
                "bundles", self.gitops.worktree / "build/bundles", "bundles, as in a store"
            ),
            copies.Part("keys", self.layout.cache / "keys", "keys that sign images"),
            copies.Part("argocd", self._export, "Argo CD's Secrets and ConfigMaps"),
        ]
        return [part for part in listed if part.source.exists()]

    @property
    def _registry(self) -> Part:
        return copies.Part("registry", self.layout.cache / "registry", "images, charts, signatures")

    @property
    def _export(self) -> Path:
        return self.layout.home / "argocd-export.yaml"

    def save(self) -> copies.Saved:
        """Save and verify the copy, and that it has every image and chart that git names."""
        exported = run(
            [self.layout.tool("argocd"), "admin", "export", f"--namespace={processes.NAMESPACE}"],
            env={"KUBECONFIG": str(self.layout.kubeconfig)},
        ).stdout
        process.write_file(self._export, exported)
        try:
            saved = copies.save(self.parts(), self.target)
        finally:
            self._export.unlink()
        self.require_complete()
        record(self.layout, BACKUP_RECORD)
        return saved

    def require_complete(self) -> None:
        """Raise SandboxError when the copy lacks an image or a chart that git names."""
        folder = self.target / "registry"
        releases = read_releases(self.gitops.worktree)
        digests = {release.image.rpartition("@")[2] for release in releases}
        for chart in {release.chart for release in releases if release.chart}:
            tags = folder / "docker/registry/v2/repositories/charts/ml-model/_manifests/tags"
            link = tags / chart / "current/link"
            digests.add(link.read_text() if link.exists() else f"chart {chart}")
        if missing := copies.missing_blobs(folder, sorted(digests)):
            raise SandboxError(
                "the copy of the registry is incomplete, so nothing was destroyed",
                found=f"without {', '.join(missing[:4])}",
                expected="every image and chart that a version file names",
                fix="run `make up`, which builds and pushes what is missing",
            )

    # --- what serves

    def releases(self) -> list[Release]:
        """Return what git releases."""
        return read_releases(self.gitops.worktree)

    def wait_serving(self) -> dict[str, set[str]]:
        """Wait until all is Synced and every release answers; return each pod's digests.

        Asks the Service for a prediction and every pod for its bundle. Raises WaitError.
        """
        environments = read_environments(self.gitops.worktree)
        expected = rollouts.expectations(environments, self.releases())
        rollouts.wait_for(self.layout, self.gitops, expected, deadline_seconds=RECOVERY_SECONDS)
        known = read_addresses(self.layout)
        for release in self.releases():
            folder = self.gitops.worktree / "build/bundles" / release.model
            bundle = read_bundle(self.layout, self.gitops.worktree, folder)
            address = known[service_target(release.namespace, release.model)]
            predictions.check(release, address, bundle)
        return {release.name: self._digests(release) for release in self.releases()}

    def _digests(self, release: Release) -> set[str]:
        """Return the image and the bundle of each of the release's pods, as the pods say."""
        selector = f"app.kubernetes.io%2Finstance%3D{release.model}"
        path = f"/api/v1/namespaces/{release.namespace}/pods?labelSelector={selector}"
        found = set()
        for pod in (kube.get(self.layout, path) or {}).get("items", []):
            if "deletionTimestamp" in pod["metadata"]:
                continue
            image = pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2]
            port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
            info = f"http://{pod['status']['podIP']}:{port}/model/info"
            answer = json.loads(web.request("GET", info, in_netns=True).body)
            found.add(f"image {image} bundle {answer['digest']}")
        return found

    def _stops_serving(self) -> None:
        """Wait until no release answers: what does not stop was not destroyed."""

        def probe() -> Answer:
            known = read_addresses(self.layout)
            urls = {
                r.name: known[service_target(r.namespace, r.model)].url for r in self.releases()
            }
            alive = [n for n, url in urls.items() if web.request("GET", f"{url}/ready").status]
            return Answer(not alive, f"still serves: {', '.join(alive)}")

        wait_until("every release is down", probe, STOPS_SERVING_SECONDS)

    # --- destroy and bring back

    def destroy_cluster(self) -> None:
        """Kill the control plane with Argo CD, and delete etcd's data."""
        kept = {"containerd", "registry", "redis", "prometheus"}
        for name in process.recorded_names(self.layout):
            if name not in kept:
                process.stop(self.layout, name, 0)
        shutil.rmtree(self.layout.state / "etcd")
        # Says what is applied in etcd.
        (processes.home(self.layout) / "applied").unlink()

    def destroy_registry(self) -> None:
        """Delete the registry with its data, the node's images, and the pods that use them."""
        process.stop(self.layout, "registry", 0)
        shutil.rmtree(self.layout.cache / "registry")
        ctr = [self.layout.tool("ctr"), f"--address={self.layout.containerd_socket}", "-nk8s.io"]
        names = run([*ctr, "images", "ls", "-q"]).stdout.split()
        ours = [name for name in names if name.startswith(f"{REGISTRY}/")]
        run([*ctr, "images", "rm", "--sync", *ours])
        if process.find_running(self.layout, "kube-apiserver"):
            self._delete_pods()
            self._stops_serving()

    def _delete_pods(self, *words: str) -> None:
        for environment in read_environments(self.gitops.worktree):
            where = f"--namespace={environment.namespace}"
            kube.kubectl(self.layout, ["delete", "pods", "--all", where, "--wait=false", *words])

    def restore_registry(self) -> None:
        """Put the registry's data back and start it; pods that wait to pull try again."""
        copies.restore(self.target, self._registry)
        process.ensure(self.layout, registry(self.layout))

    def restore_cluster(self) -> None:
        """Bring up an empty cluster, put Argo CD's Secrets back, and let it follow git."""
        forwards = [api_forward(self.layout), *delivery.forwards(self.layout)]
        work = delivery.Delivery(self.layout, self.gitops)
        secrets = Step("Argo CD's Secrets and ConfigMaps", self._restore_argocd)
        run_steps(
            [
                *cluster.cluster_steps(self.layout, forwards),
                *delivery.platform_steps(self.layout, work, [secrets]),
            ]
        )

    def _restore_argocd(self) -> str:
        text = (self.target / "argocd" / self._export.name).read_text()
        objects = [item for item in yaml.safe_load_all(text) if item]
        kept = [
            item
            for item in objects
            if item["kind"] in ("Secret", "ConfigMap")
            and item["metadata"]["name"] not in (BACKUP_RECORD, DRILL_RECORD)
        ]
        for item in kept:
            metadata = item["metadata"]
            copied = {key: metadata[key] for key in ("name", "labels") if key in metadata}
            item["metadata"] = {**copied, "namespace": processes.NAMESPACE}
        kube.apply(self.layout, kept)
        return f"{len(kept)} objects"

    def run_case(self, case: str) -> Outcome:
        """Run one case. Raises SandboxError when the same digests do not serve at its end."""
        print(f"\n=== case {case}: {TEXT[case]}", flush=True)
        before, there = self.wait_serving(), inventory.take(self.layout)
        copies.verify(self.target)
        started = time.monotonic()
        if case in (ETCD, BOTH):
            self.destroy_cluster()
        if case in (REGISTRY_CASE, BOTH):
            self.destroy_registry()
        print(f"  destroyed in {time.monotonic() - started:.0f} s", flush=True)
        destroyed = time.monotonic()
        if case in (REGISTRY_CASE, BOTH):
            self.restore_registry()
        if case in (ETCD, BOTH):
            self.restore_cluster()
        else:
            # Their pulls wait longer after each failure.
            self._delete_pods("--field-selector=status.phase=Pending")
        after = self.wait_serving()
        ended = time.monotonic()
        if after != before:
            raise SandboxError(
                f"case {case}: other digests serve than before",
                found=str({name: after[name] for name in after if after[name] != before[name]}),
                expected=str(before),
                fix="compare .sandbox/gitops/environments with `make status`",
            )
        lost = there - inventory.take(self.layout)
        return Outcome(case, ended - destroyed, len(after), lost)


TEXT = {
    ETCD: "etcd's data is gone, and with it every object of the cluster",
    REGISTRY_CASE: "the registry's data is gone, and the node has none of its images",
    BOTH: "etcd's data and the registry's data are gone",
}


def record(layout: Layout, name: str) -> None:
    """Create the ConfigMap `name` anew: its age says when something last succeeded."""
    item = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": processes.NAMESPACE},
    }
    kube.kubectl(layout, ["replace", "--force", "-f-"], stdin=json.dumps(item))


def plan(drill: Drill, cases: Sequence[str]) -> str:
    """Return what a drill would do: copies, and for each case what is destroyed."""
    lines = [f"save to {drill.target}, with the hash of every file:"]
    for part in [*drill.parts()]:
        size = sum(path.stat().st_size for path in part.source.rglob("*") if path.is_file())
        lines.append(f"  {part.name:<9} {size / 1e6:>6.0f} MB  {part.purpose}: {part.source}")
    lines += [
        "  argocd              `argocd admin export`: Argo CD's Secrets and ConfigMaps",
        f"git holds the rest: {drill.gitops.bare}",
        "not saved: Prometheus' data, events, Argo CD's sync history, objects that are not in git",
        "then verify the copy, and one case after the other: destroy, bring back, compare digests:",
        *(f"  {case:<9} {TEXT[case]}" for case in cases),
    ]
    return "\n".join(lines)


def require_sandbox(layout: Layout, environ: Mapping[str, str]) -> None:
    """Raise SandboxError unless the running sandbox of this checkout is what would be destroyed."""
    found = ""
    if environ.get("KUBE_CONTEXT"):
        found = f"KUBE_CONTEXT={environ['KUBE_CONTEXT']}"
    elif lock.owner() != layout.root or not netns.exists():
        found = f"the machine's sandbox belongs to {lock.owner() or 'nobody'}"
    elif process.find_running(layout, "etcd") is None:
        found = "its etcd does not run"
    if found:
        raise SandboxError(
            "the drill destroys a cluster, and only the sandbox of this checkout may be destroyed",
            found=found,
            expected=f"a running sandbox of {layout.root}",
            fix="run `make up`, then `make drill` without KUBE_CONTEXT; for other clusters follow "
            "docs/how-to/recover.md",
        )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line for each case, then what each lost."""
    rows = [f"{'CASE':<10}{'RECOVERY':>10}  SERVES"]
    rows += [
        f"{each.case:<10}{each.recovery:>8.0f} s  {each.releases} releases, the same digests"
        for each in outcomes
    ]
    return "\n".join([*rows, *(f"lost in case {o.case}: {o.lost.describe()}" for o in outcomes)])


def drill(
    layout: Layout, cases: Sequence[str], environ: Mapping[str, str], *, dry_run: bool
) -> list[Outcome]:
    """Run the cases and print recovery times; with `dry_run` print the plan alone.

    Raises SandboxError at the first case that does not come back.
    """
    require_sandbox(layout, environ)
    it = Drill(layout, open_gitops(layout), layout.home / "copies")
    if dry_run:
        print(plan(it, cases))
        return []
    with lock.exclusive():
        saved = it.save()
        print(f"saved and verified {saved.size / 1e6:.0f} MB in {it.target}", flush=True)
        outcomes = [it.run_case(case) for case in cases]
        record(layout, BACKUP_RECORD)
        record(layout, DRILL_RECORD)
    print(f"\n{table(outcomes)}")
    return outcomes
