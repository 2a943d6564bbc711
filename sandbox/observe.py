"""`make observe`: Prometheus beside a running sandbox, with the monitors and rules of its releases.

The releases are rendered once more, with monitor and rules switched on whatever their values say:
the sandbox has no operator that would read those objects from the cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from sandbox import addresses, monitors, process, web
from sandbox.components.argocd import CONTROLLER_METRICS_PORT
from sandbox.components.prometheus import NAME, TARGET, prometheus
from sandbox.environments import Release, read_releases
from sandbox.errors import SandboxError
from sandbox.forwarder import forwarder
from sandbox.forwards import api_forward
from sandbox.gitops import open_gitops
from sandbox.proc import run
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sandbox.layout import Layout

Object = dict[str, Any]
# Faster than in production, so that somebody who watches sees what they do.
SCRAPE_INTERVAL = "5s"


@dataclass(frozen=True)
class Observed:
    """What Prometheus does for the releases: what it scrapes, and which rules it evaluates."""

    scrapes: list[Object]
    groups: list[Object]


def observe(layout: Layout) -> str:
    """Start Prometheus or bring it up to date, wait for data, and say where everything is.

    Raises SandboxError when no sandbox runs.
    """
    if process.find_running(layout, "kube-apiserver") is None:
        raise SandboxError(
            "there is nothing to observe",
            found="no sandbox runs",
            expected="a running one",
            fix="make up",
        )
    if not (layout.bin / NAME).exists():
        raise SandboxError(
            "Prometheus is not built",
            found=f"no {layout.bin / NAME}",
            expected="the pinned one",
            fix="python3 -m tools build monitoring (`make observe` does it)",
        )
    releases = read_releases(open_gitops(layout).worktree)
    manifests = [found for release in releases for found in render(layout, release)]
    plan = observed(manifests, layout.inner_kubeconfig)
    process.ensure(layout, prometheus(layout, [*plan.scrapes, argocd_scrape()], plan.groups))
    url = open_address(layout)
    expected = {(release.namespace, release.model) for release in releases}
    wait_until("metrics of every release", lambda: scraped(url, expected), 120)
    return describe(layout, url, plan)


def render(layout: Layout, release: Release) -> list[Object]:
    """Return the monitor and the rules of a release, by the chart of this checkout."""
    folder = open_gitops(layout).worktree / "environments" / release.environment
    own = folder / release.model
    files = [folder / "common.yaml", *(own / f"{part}.yaml" for part in _VALUE_FILES)]
    return render_values(layout, release.model, release.namespace, files)


_VALUE_FILES = ("settings", "capacity", "version")


def render_values(
    layout: Layout, name: str, namespace: str, files: Sequence[Path], *more: str
) -> list[Object]:
    """Return the monitor and the rules that the chart renders for these value files.

    `more` are further `key=value`. Raises CommandError with Helm's words.
    """
    values = [part for file in files for part in ("--values", str(file))]
    settings = (
        "metrics.monitor=ServiceMonitor",
        f"metrics.interval={SCRAPE_INTERVAL}",
        "metrics.rules.enabled=true",
        f"metrics.rules.runbookUrl=file://{layout.root}/docs/runbooks",
        *more,
    )
    done = run(
        [
            *(layout.tool("helm4"), "template", name, layout.root / "charts" / "ml-model"),
            *("--namespace", namespace, "--kube-version", "1.36.1", *values),
            *("--set-string", "chart.version="),
            *(part for setting in settings for part in ("--set", setting)),
            *("--show-only", "templates/monitor.yaml"),
            *("--show-only", "templates/prometheusrule.yaml"),
        ]
    )
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def observed(manifests: Sequence[Object], kubeconfig: Path) -> Observed:
    """Sort what was rendered; a group is named after its release, for in a file a name is one's."""
    scrapes, groups = [], []
    for manifest in manifests:
        metadata = manifest["metadata"]
        if manifest["kind"] in ("ServiceMonitor", "PodMonitor"):
            scrapes += monitors.scrape_configs(manifest, kubeconfig)
        elif manifest["kind"] == "PrometheusRule":
            prefix = f"{metadata['namespace']}/{metadata['name']}"
            groups += [
                {**group, "name": f"{prefix}/{group['name']}"}
                for group in manifest["spec"]["groups"]
            ]
    return Observed(scrapes, groups)


def argocd_scrape() -> Object:
    """Return how Argo CD's controller, a process of the sandbox, is scraped."""
    return {
        "job_name": "argocd",
        "static_configs": [{"targets": [f"127.0.0.1:{CONTROLLER_METRICS_PORT}"]}],
    }


def open_address(layout: Layout) -> str:
    """Let a port of the host lead to Prometheus; return the address."""
    known = addresses.remembered(layout)
    assigned = addresses.assign([*known, TARGET], known)
    addresses.remember(layout, assigned)
    ports = [api_forward(layout), *addresses.forwards(assigned)]
    process.ensure(layout, forwarder(layout, ports))
    return assigned[TARGET].url


def ask(url: str, query: str, *, in_netns: bool = False) -> list[Object]:
    """Return the series that a query finds now; none when Prometheus does not answer."""
    address = f"{url}/api/v1/query?query={quote(query)}"
    reply = web.request("GET", address, in_netns=in_netns)
    if reply.status != 200:
        return []
    found: list[Object] = json.loads(reply.body)["data"]["result"]
    return found


def scraped(url: str, expected: set[tuple[str, str]]) -> Answer:
    """Tell whether every release has a pod that was scraped."""
    found = {
        (s["metric"]["namespace"], s["metric"]["job"]) for s in ask(url, "up == 1 and ml_workers")
    }
    missing = sorted("/".join(entry) for entry in expected - found)
    return Answer(not missing, f"no metrics of {', '.join(missing)}" if missing else "all scraped")


def describe(layout: Layout, url: str, plan: Observed) -> str:
    """Return what somebody wants to know who just typed `make observe`."""
    rows = [f"{'RELEASE':<28}{'PODS':>5}{'REQUESTS':>10}{'ALERTS':>8}"]
    pods = _by_release(ask(url, "count by (namespace, job) (ml_workers)"), "job")
    requests = _by_release(ask(url, "sum by (namespace, job) (ml_requests_total)"), "job")
    firing = 'count by (namespace, release) (ALERTS{alertstate="firing",release!=""})'
    alerts = _by_release(ask(url, firing), "release")
    for release in sorted(pods):
        numbers = (pods[release], requests.get(release, 0), alerts.get(release, 0))
        rows.append(f"{release:<28}{numbers[0]:>5g}{numbers[1]:>10g}{numbers[2]:>8g}")
    return "\n".join(
        [
            *rows,
            "",
            f"Releases, alerts: {url}/consoles/releases.html",
            f"Prometheus' API: {url} ({len(plan.groups)} groups of rules)",
            f"  curl -sG {url}/api/v1/query --data-urlencode 'query=ml:feature_psi'",
            f"  curl -s {url}/api/v1/alerts",
            f"Runbooks:        {layout.root}/docs/runbooks",
            f"Dashboards:      {layout.root}/deploy/grafana (import them into a Grafana of yours,",
            f"                 with {url} as its Prometheus)",
        ]
    )


def _by_release(series: list[Object], label: str) -> dict[str, float]:
    return {
        f"{one['metric']['namespace']}/{one['metric'][label]}": float(one["value"][1])
        for one in series
    }
