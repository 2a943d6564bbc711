"""The sandbox from nothing to a served release, and back: the one place that knows the order."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import cgroup, delivery, host, kube, kubeconfig, lock, netns, process
from sandbox.components import addons, apiserver, containerd, controllers, etcd, node
from sandbox.errors import SandboxError
from sandbox.forwarder import forwarder
from sandbox.forwards import Forward, api_forward
from sandbox.layout import NODE_NAME, RUN_FOLDER, Layout
from sandbox.objects import dns_objects, metrics_objects
from sandbox.pause_image import import_pause_image
from sandbox.steps import Step, run_steps, start, wait_for
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.component import Component


def up_steps(layout: Layout) -> list[Step]:
    """Return every step of `up` in order. Each does nothing when it is done already."""
    forwards = [api_forward(layout), *delivery.forwards(layout)]
    return [
        *cluster_steps(layout, forwards),
        *delivery.steps(layout),
        # Last, because the first measurement takes 10 s and nothing before needs it.
        wait_for("metrics", node_metrics(layout), 120, layout.log_file("metrics-server")),
    ]


def cluster_steps(layout: Layout, forwards: list[Forward]) -> list[Step]:
    """Return the steps to a Ready node with DNS, metrics and a way in from the host."""
    return [
        Step("what a dead run left", lambda: clean_up_after_crash(layout)),
        Step("host settings remembered", lambda: host.remember(layout)),
        Step("network namespace", netns.create),
        Step("control group", cgroup.prepare),
        Step("certificates", lambda: make_credentials(layout)),
        start(layout, etcd.etcd(layout)),
        start(layout, containerd.containerd(layout)),
        start(layout, apiserver.apiserver(layout)),
        start(layout, controllers.controller_manager(layout)),
        start(layout, controllers.scheduler(layout)),
        Step("pause image", lambda: import_pause_image(layout)),
        start(layout, node.kubelet(layout)),
        start(layout, node.proxy(layout)),
        Step("services for DNS and metrics", lambda: apply_objects(layout)),
        start(layout, addons.coredns(layout)),
        start(layout, addons.metrics_server(layout)),
        start(layout, forwarder(layout, forwards)),
        wait_for("node Ready", NodeReady(layout), 120, layout.log_file("kubelet")),
        wait_for("default account", default_account(layout), 60),
    ]


def up(layout: Layout) -> None:
    """Bring everything up or up to date. Raises SandboxError at the first step that fails."""
    steps = up_steps(layout)
    check_tools(layout, [step.component for step in steps if step.component])
    check_port(layout)
    with lock.exclusive():
        claim_machine(layout)
        run_steps(steps)
    print(f"kubectl: export KUBECONFIG={layout.kubeconfig}")


def check_tools(layout: Layout, components: Sequence[Component]) -> None:
    """Raise SandboxError, naming them all, when tools that `up` runs are not built yet."""
    used = {Path(component.argv[0]) for component in components}
    used |= {layout.bin / name for name in ("containerd-shim-runc-v2", "ctr", "kubectl")}
    if missing := sorted(tool.name for tool in used if not tool.exists()):
        raise SandboxError(
            "tools are missing",
            found=f"no {', '.join(missing)}",
            expected=f"all of them in {layout.bin} or installed",
            fix="run `python3 -m tools build cluster` and `python3 -m sandbox packages` "
            "(`make up` does both)",
        )


def check_port(layout: Layout) -> None:
    """Raise SandboxError when somebody else listens where the forwarder is to listen."""
    if process.find_running(layout, "forwarder") is not None:
        return
    with socket.socket() as probe:
        # As asyncio's servers do: a port whose last connections are just ending is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", layout.host_api_port))
        except OSError as error:
            raise SandboxError(
                "the API server's port on this machine is taken",
                found=f"127.0.0.1:{layout.host_api_port}: {error}",
                expected="a free port",
                fix="stop what listens there, or choose another: SANDBOX_API_PORT=26443 make up",
            ) from error


def down(layout: Layout) -> list[str]:
    """Remove every process, mount, interface, cgroup and namespace; return what was done.

    Works after a crash too, and does nothing when nothing is there. Logs and the cache stay.
    """
    with lock.exclusive():
        claim_machine(layout)
        return tear_down(layout)


def claim_machine(layout: Layout) -> None:
    """Take the machine for this checkout; the caller holds the lock.

    What a checkout left of which nothing runs any more, or which is gone, is removed.
    Raises SandboxError when another checkout's sandbox runs.
    """
    owner = lock.owner()
    if owner is not None and owner != layout.root:
        if owner.is_dir() and cgroup.all_members():
            raise SandboxError(
                "another checkout runs a sandbox on this machine",
                found=f"the one of {owner}",
                expected="one sandbox per machine",
                fix=f"run `make down` in {owner}",
            )
        print(f"removing what a dead sandbox of {owner} left", flush=True)
        tear_down(replace(layout, root=owner))
    lock.take(layout)


def tear_down(layout: Layout) -> list[str]:
    """Do the work of `down`; the caller holds the lock."""
    planned = [step.component.name for step in up_steps(layout) if step.component]
    unplanned = [name for name in process.recorded_names(layout) if name not in planned]
    stopped = [name for name in [*unplanned, *reversed(planned)] if process.stop(layout, name)]
    killed = cgroup.kill_all()
    unmounted = host.unmount_all(layout)
    had_namespace = netns.exists()
    netns.delete()
    remove_cgroups()
    host.restore(layout)
    for folder in (layout.state, layout.run, layout.pki, RUN_FOLDER):
        if folder.exists():
            shutil.rmtree(folder)
    layout.kubeconfig.unlink(missing_ok=True)
    lock.release()
    return [
        f"stopped {len(stopped)} components and {killed} other processes",
        f"removed {unmounted} mounts and {int(had_namespace)} network namespace",
    ]


def clean_up_after_crash(layout: Layout) -> str:
    """Remove what cannot be continued: leftovers without a namespace, or of another boot.

    What died within this boot is continued: each step starts what it misses.
    """
    records = [process.read_record(layout, name) for name in process.recorded_names(layout)]
    rebooted = any(record and record.boot_id != process.boot_id() for record in records)
    if netns.exists() and not rebooted and (records or not cgroup.all_members()):
        return "continued" if records else "nothing"
    leftovers = bool(records) or bool(cgroup.all_members()) or layout.state.exists()
    tear_down(layout)
    lock.take(layout)
    return "removed" if leftovers else "nothing"


def remove_cgroups() -> None:
    """Remove our cgroups as soon as the kernel has let go of the processes just killed."""

    def probe() -> Answer:
        try:
            cgroup.remove_all()
        except SandboxError as error:
            return Answer(False, error.found)
        return Answer(True, "removed")

    wait_until("control groups removed", probe, 10)


def make_credentials(layout: Layout) -> str:
    """Issue certificates and write the kubeconfigs when they are not there."""
    # Imported late, so that `down` works without any installed library.
    from sandbox import pki

    made = pki.make_pki(layout)
    kubeconfig.write_all(layout)
    return "issued" if made else "present"


def apply_objects(layout: Layout) -> None:
    """Apply the Services, rights and APIService of CoreDNS and metrics-server."""
    kube.apply(layout, [*dns_objects(), *metrics_objects(layout.pki / "ca.crt")])


@dataclass(frozen=True)
class NodeReady:
    """Ready when the kubelet that runs now has reported the node as Ready."""

    layout: Layout

    def check(self) -> Answer:
        """Ask once."""
        kubelet = process.find_running(self.layout, "kubelet")
        if kubelet is None:
            return Answer(False, "no kubelet runs")
        judge = kube.condition("Ready", since=process.started_at(kubelet))
        return kube.ObjectProbe(self.layout, f"/api/v1/nodes/{NODE_NAME}", judge).check()


def default_account(layout: Layout) -> kube.ObjectProbe:
    """Return the probe of the first ServiceAccount: no pod can be made before it exists."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    return kube.ObjectProbe(layout, path, lambda _: Answer(True, "exists"))


def node_metrics(layout: Layout) -> kube.ObjectProbe:
    """Return the probe of the node's metrics: `kubectl top` and autoscalers work from then on."""
    path = f"/apis/metrics.k8s.io/v1beta1/nodes/{NODE_NAME}"
    return kube.ObjectProbe(layout, path, lambda _: Answer(True, "served"))
