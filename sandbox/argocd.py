"""What Argo CD needs in the cluster: its CRDs, its settings and the root Application.

Must not know the models; the root Application's chart reads them from git.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from sandbox import kube, kubeconfig
from sandbox.bundles import run_modelctl
from sandbox.charts import CHARTS
from sandbox.components import argocd
from sandbox.components.argocd import NAMESPACE
from sandbox.errors import SandboxError
from sandbox.layout import NAME
from sandbox.process import write_file
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.layout import Layout

ROOT = "root"
API = "/apis/argoproj.io/v1alpha1"
APPLICATIONS = f"{API}/namespaces/{NAMESPACE}/applications"
# The kinds that its CRDs define.
KINDS = ("applications", "applicationsets", "appprojects")
SERVED_SECONDS = 120


def install(layout: Layout) -> str:
    """Apply Argo CD's CRDs and base configuration, once. Raises CommandError."""
    argocd.ensure_folders(layout)
    text = kubeconfig.render(layout.pki, "admin", kubeconfig.INNER_SERVER, NAMESPACE)
    target = argocd.kubeconfig(layout)
    if not target.exists() or target.read_text() != text:
        write_file(target, text)
    manifests = layout.root / ".tools" / "share" / "argocd" / "manifests"
    # The record is deleted together with etcd's data, so it never names what is not there.
    record, version = argocd.home(layout) / "applied", folder_hash(manifests)
    if record.exists() and record.read_text() == version:
        return "present"
    kube.apply(layout, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    for words in ([manifests / "crds"], [manifests / "base" / "config", f"-n{NAMESPACE}"]):
        # Server-side, because the CRDs are too large for client-side apply.
        options = ["--server-side", "--force-conflicts", f"--field-manager={kube.FIELD_MANAGER}"]
        kube.kubectl(layout, ["apply", *options, "-k", *(str(word) for word in words)])
    # A CRD is served some time after it is applied; argocd-server exits when its first request
    # comes before that.
    for kind in KINDS:
        served = kube.ObjectProbe(layout, f"{API}/{kind}", lambda _: Answer(True, "served"))
        wait_until(f"{kind} served", served.check, SERVED_SECONDS)
    write_file(record, version)
    return "applied"


def folder_hash(folder: Path) -> str:
    """Return one hash of every file in `folder`, with its path."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def follow(layout: Layout, worktree: Path, url: str, revision: str) -> str:
    """Let Argo CD follow the branch, by the command that sets up any cluster. Raises CommandError.

    The only place that names the repository; everything else comes from git.
    """
    run_modelctl(
        layout,
        worktree,
        *("bootstrap", "--context", NAME, "--settings"),
        *("--repo", url, "--revision", revision, "--registry", f"http://{CHARTS}"),
        *("--poll-seconds", str(argocd.POLL_SECONDS)),
    )
    return f"project and Application {ROOT}"


def applications(layout: Layout) -> dict[str, dict[str, Any]]:
    """Return every Application by name. Raises SandboxError when Argo CD is not installed."""
    applications_list = kube.get(layout, APPLICATIONS)
    if applications_list is None:
        raise SandboxError(
            "Argo CD is not installed",
            found=f"no {APPLICATIONS}",
            expected="its CRDs in the cluster",
            fix="run `make up`",
        )
    return {item["metadata"]["name"]: item for item in applications_list["items"]}
