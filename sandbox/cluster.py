"""Start and stop the sandbox: the one place that knows the order of the steps."""

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
from sandbox.steps import Step, run_steps, start_step, wait_step
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.component import Component


def up_steps(layout: Layout) -> list[Step]:
    """Return every step of `up` in order. Each does nothing when its work is done already."""
    forwards = [api_forward(layout), *delivery.forwards(layout)]
    return [
        *cluster_steps(layout, forwards),
        *delivery.steps(layout),
        # Last, because the first measurement takes 10 s and no other step needs it.
        wait_step("metrics", node_metrics(layout), 120, layout.log_file("metrics-server")),
    ]


def cluster_steps(layout: Layout, forwards: list[Forward]) -> list[Step]:
    """Return the steps to a Ready node with DNS, metrics and access from the host."""
    return [
        Step("leftovers of earlier runs", lambda: clean_up_after_crash(layout)),
        Step("host settings recorded", lambda: host.record_settings(layout)),
        Step("network namespace", netns.create),
        Step("control group", cgroup.prepare),
        Step("certificates", lambda: make_credentials(layout)),
        start_step(layout, etcd.etcd(layout)),
        start_step(layout, containerd.containerd(layout)),
        start_step(layout, apiserver.apiserver(layout)),
        start_step(layout, controllers.controller_manager(layout)),
        start_step(layout, controllers.scheduler(layout)),
        Step("pause image", lambda: import_pause_image(layout)),
        start_step(layout, node.kubelet(layout)),
        start_step(layout, node.proxy(layout)),
        Step("services for DNS and metrics", lambda: apply_objects(layout)),
        start_step(layout, addons.coredns(layout)),
        start_step(layout, addons.metrics_server(layout)),
        start_step(layout, forwarder(layout, forwards)),
        wait_step("node Ready", NodeReady(layout), 120, layout.log_file("kubelet")),
        wait_step("default service account", default_account(layout), 60),
    ]


def up(layout: Layout) -> None:
    """Start everything or bring it up to date. Raises SandboxError at the first failing step."""
    steps = up_steps(layout)
    require_tools(layout, [step.component for step in steps if step.component])
    require_free_port(layout)
    with lock.exclusive():
        claim_machine(layout)
        run_steps(steps)
    print(f"kubectl: export KUBECONFIG={layout.kubeconfig}")


def require_tools(layout: Layout, components: Sequence[Component]) -> None:
    """Raise SandboxError, naming them all, when tools that `up` runs are not built yet."""
    used = {Path(component.argv[0]) for component in components}
    used |= {layout.bin / name for name in ("containerd-shim-runc-v2", "ctr", "kubectl")}
    if missing := sorted(tool.name for tool in used if not tool.exists()):
        raise SandboxError(
            "tools are missing",
            found=f"no {', '.join(missing)}",
            expected=f"all tools in {layout.bin} or installed",
            fix="run `python3 -m tools build cluster` and `python3 -m sandbox packages` "
            "(`make up` does both)",
        )


def require_free_port(layout: Layout) -> None:
    """Raise SandboxError when another process listens on the forwarder's port."""
    if process.find_running(layout, "forwarder") is not None:
        return
    with socket.socket() as probe:
        # As asyncio's servers do: a port whose last connections are closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", layout.host_api_port))
        except OSError as error:
            raise SandboxError(
                "the API server's port on this machine is in use",
                found=f"127.0.0.1:{layout.host_api_port}: {error}",
                expected="a free port",
                fix="stop that process, or choose another port: SANDBOX_API_PORT=26443 make up",
            ) from error


def down(layout: Layout) -> list[str]:
    """Remove every process, mount, interface, cgroup and namespace; return a summary.

    Works after a crash too, and does nothing when there is nothing to remove. Keeps logs and cache.
    """
    with lock.exclusive():
        claim_machine(layout)
        return tear_down(layout)


def claim_machine(layout: Layout) -> None:
    """Make this checkout the owner of the machine's sandbox; the caller holds the lock.

    Leftovers of another checkout are removed when none of its processes runs or it was deleted.
    Raises SandboxError when another checkout's sandbox runs.
    """
    owner = lock.owner()
    if owner is not None and owner != layout.root:
        if owner.is_dir() and cgroup.all_members():
            raise SandboxError(
                "another checkout runs a sandbox on this machine",
                found=f"the sandbox of {owner}",
                expected="one sandbox per machine",
                fix=f"run `make down` in {owner}",
            )
        print(f"removing leftovers of the sandbox of {owner}", flush=True)
        tear_down(replace(layout, root=owner))
    lock.set_owner(layout)


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
    host.restore_settings(layout)
    for folder in (layout.state, layout.run, layout.pki, RUN_FOLDER):
        if folder.exists():
            shutil.rmtree(folder)
    layout.kubeconfig.unlink(missing_ok=True)
    lock.clear_owner()
    return [
        f"stopped {len(stopped)} components and {killed} other processes",
        f"removed {unmounted} mounts and {int(had_namespace)} network namespace",
    ]


def clean_up_after_crash(layout: Layout) -> str:
    """Remove leftovers that cannot be reused: without a namespace, or of an earlier boot.

    After a crash within this boot the run resumes: each step starts what is missing.
    """
    records = [process.read_record(layout, name) for name in process.recorded_names(layout)]
    rebooted = any(record and record.boot_id != process.boot_id() for record in records)
    if netns.exists() and not rebooted and (records or not cgroup.all_members()):
        return "reused" if records else "none"
    leftovers = bool(records) or bool(cgroup.all_members()) or layout.state.exists()
    tear_down(layout)
    lock.set_owner(layout)
    return "removed" if leftovers else "none"


def remove_cgroups() -> None:
    """Remove our cgroups as soon as the kernel has released the processes just killed."""

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
    """Apply the Services, roles and APIService of CoreDNS and metrics-server."""
    kube.apply(layout, [*dns_objects(), *metrics_objects(layout.pki / "ca.crt")])


@dataclass(frozen=True)
class NodeReady:
    """Ready when the running kubelet has reported the node as Ready."""

    layout: Layout

    def check(self) -> Answer:
        """Probe once."""
        kubelet = process.find_running(self.layout, "kubelet")
        if kubelet is None:
            return Answer(False, "kubelet not running")
        is_ready = kube.condition("Ready", since=process.started_at(kubelet))
        return kube.ObjectProbe(self.layout, f"/api/v1/nodes/{NODE_NAME}", is_ready).check()


def default_account(layout: Layout) -> kube.ObjectProbe:
    """Return the probe of the default ServiceAccount: no pod can be created before it exists."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    return kube.ObjectProbe(layout, path, lambda _: Answer(True, "exists"))


def node_metrics(layout: Layout) -> kube.ObjectProbe:
    """Return the probe of the node's metrics: `kubectl top` and autoscalers work from then on."""
    path = f"/apis/metrics.k8s.io/v1beta1/nodes/{NODE_NAME}"
    return kube.ObjectProbe(layout, path, lambda _: Answer(True, "served"))
