"""Argo CD as plain processes outside the cluster, as its own end-to-end tests run it.

One binary is every component; `ARGOCD_BINARY_NAME` picks which. The API has no login here, so
it listens on the namespace's loopback, where no pod can reach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.component import Component
from sandbox.components import redis
from sandbox.probes import Http, Tcp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.layout import Layout
    from sandbox.probes import Probe

NAMESPACE = "argocd"
HOST = "127.0.0.1"
SERVER_PORT = 8080
REPO_PORT = 8081
CONTROLLER_METRICS_PORT = 8082
SERVER_METRICS_PORT = 8083
REPO_METRICS_PORT = 8084
GENERATOR_METRICS_PORT = 12345
GENERATOR_PROBE_PORT = 12346
WEBHOOK_PORT = 7001

# Polling interval. Argo CD's default is three minutes, with webhooks for a faster response.
POLL_SECONDS = 5

# Component -> the name that selects its part of the one binary.
_BINARIES = {
    "argocd-repo-server": "argocd-repo-server",
    "argocd-server": "argocd-server",
    "argocd-applicationsets": "argocd-applicationset-controller",
    "argocd-controller": "argocd-application-controller",
}

# Folders that Argo CD expects, empty or not; see `ensure_folders`.
_FOLDERS = ("tls", "ssh", "gpg", "gnupg", "plugins", "tmp", "bin")


def home(layout: Layout) -> Path:
    """Return the folder of Argo CD's files: checkouts, known hosts, its PATH."""
    return layout.state / "argocd"


def kubeconfig(layout: Layout) -> Path:
    """Return the kubeconfig whose namespace is Argo CD's own."""
    return layout.pki / "argocd.kubeconfig"


def components(layout: Layout) -> tuple[Component, ...]:
    """Return the four processes in start order."""
    return (
        repo_server(layout),
        server(layout),
        applicationset_controller(layout),
        application_controller(layout),
    )


def repo_server(layout: Layout) -> Component:
    """Return the component that clones the repository and renders it."""
    return _component(
        layout,
        "argocd-repo-server",
        ("--address", HOST, "--port", str(REPO_PORT)),
        ("--metrics-address", HOST, "--metrics-port", str(REPO_METRICS_PORT)),
        ("--redis", redis.ADDRESS),
        # More parallel renders would only compete for two cores.
        ("--parallelismlimit", "2"),
        ready=Http(f"http://{HOST}:{REPO_METRICS_PORT}/healthz"),
    )


def server(layout: Layout) -> Component:
    """Return the API server; it also creates the default project and Argo CD's secret."""
    return _component(
        layout,
        "argocd-server",
        ("--disable-auth", "--insecure"),
        ("--address", HOST, "--port", str(SERVER_PORT)),
        ("--metrics-address", HOST, "--metrics-port", str(SERVER_METRICS_PORT)),
        ("--redis", redis.ADDRESS, "--repo-server", f"{HOST}:{REPO_PORT}"),
        ready=Http(f"http://{HOST}:{SERVER_PORT}/healthz"),
    )


def applicationset_controller(layout: Layout) -> Component:
    """Return the component that creates an Application for each version file."""
    return _component(
        layout,
        "argocd-applicationsets",
        ("--argocd-repo-server", f"{HOST}:{REPO_PORT}"),
        ("--metrics-addr", f"{HOST}:{GENERATOR_METRICS_PORT}"),
        ("--probe-addr", f"{HOST}:{GENERATOR_PROBE_PORT}"),
        ("--webhook-addr", f"{HOST}:{WEBHOOK_PORT}"),
        # It has no health check of its own; its workers start right after this.
        ready=Tcp(HOST, WEBHOOK_PORT),
    )


def application_controller(layout: Layout) -> Component:
    """Return the component that compares git with the cluster and syncs."""
    return _component(
        layout,
        "argocd-controller",
        ("--redis", redis.ADDRESS, "--repo-server", f"{HOST}:{REPO_PORT}"),
        ("--metrics-port", str(CONTROLLER_METRICS_PORT)),
        ("--app-resync", str(POLL_SECONDS), "--app-resync-jitter", "0"),
        # Without the second, the first is ignored and self-healing backs off.
        ("--self-heal-timeout-seconds", "1", "--self-heal-backoff-timeout-seconds", "0"),
        # For that long it does not report a commit that fails to render; three minutes by default.
        # As `argocd/install/argocd-cmd-params-cm.yaml` has it.
        ("--persist-resource-health",),
        ("--repo-error-grace-period-seconds", str(2 * POLL_SECONDS)),
        ready=Http(f"http://{HOST}:{CONTROLLER_METRICS_PORT}/healthz"),
    )


def environment(layout: Layout, name: str) -> dict[str, str]:
    """Return the environment of the component `name`."""
    folder = home(layout)
    return {
        "ARGOCD_BINARY_NAME": _BINARIES[name],
        # It runs outside the cluster, and uses the kubeconfig's cluster as `in-cluster`.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "KUBECONFIG": str(kubeconfig(layout)),
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_GPG_DATA_PATH": str(folder / "gpg"),
        "ARGOCD_GNUPGHOME": str(folder / "gnupg"),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins"),
        # For that long the repo-server caches which commit a branch is at.
        "ARGOCD_RECONCILIATION_TIMEOUT": f"{POLL_SECONDS}s",
        "TMPDIR": str(folder / "tmp"),
        # helm, kustomize and two scripts; without these a render fails as "permission denied".
        "PATH": f"{folder / 'bin'}:{layout.path}",
        "GIT_CONFIG_GLOBAL": str(layout.home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        # Its processes share two cores with the cluster and the models.
        "GOMAXPROCS": "2",
    }


def links(layout: Layout) -> dict[str, Path]:
    """Return the commands on Argo CD's PATH: each name and its target."""
    share = layout.root / ".tools" / "share" / "argocd" / "bin"
    return {
        "helm": layout.bin / "helm4",
        "kustomize": layout.bin / "kustomize",
        "git-verify-wrapper.sh": share / "git-verify-wrapper.sh",
        "gpg-wrapper.sh": share / "gpg-wrapper.sh",
    }


def ensure_folders(layout: Layout) -> None:
    """Create the folders and links that the components expect."""
    for name in _FOLDERS:
        (home(layout) / name).mkdir(parents=True, exist_ok=True)
    # gpg refuses a folder that others can read, even while it is disabled.
    (home(layout) / "gnupg").chmod(0o700)
    (home(layout) / "ssh" / "ssh_known_hosts").touch()
    for name, target in links(layout).items():
        link = home(layout) / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _component(
    layout: Layout,
    name: str,
    *groups: Iterable[str],
    ready: Probe,
) -> Component:
    words = [word for group in groups for word in group]
    return Component(
        name=name,
        argv=(layout.tool("argocd"), *words, "--logformat", "text"),
        env=environment(layout, name),
        ready=ready,
        ready_seconds=120,
    )
