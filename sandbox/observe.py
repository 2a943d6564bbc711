"""`make observe`: Prometheus for a running sandbox, with the monitors and rules of its releases.

The releases are rendered again, with monitor and rules enabled whatever their values are: the
sandbox has no operator that would read those objects from the cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from sandbox import additions, addresses, monitors, process, web
from sandbox.components.argocd import CONTROLLER_METRICS_PORT
from sandbox.components.prometheus import NAME, TARGET, prometheus
from sandbox.environments import Release, read_releases
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
# Faster than in production, so that users see the effect of what they do.
SCRAPE_INTERVAL = "5s"


@dataclass(frozen=True)
class PrometheusPlan:
    """What Prometheus does for the releases: scrape configurations and groups of rules."""

    scrapes: list[Object]
    groups: list[Object]


def observe(layout: Layout) -> str:
    """Start Prometheus or bring it up to date, wait for data, and return the addresses.

    Raises SandboxError when no sandbox runs.
    """
    additions.require_running(layout, "observe")
    additions.require_built("Prometheus", [layout.bin / NAME], group="monitoring", target="observe")
    releases = read_releases(open_gitops(layout).worktree)
    manifests = [manifest for release in releases for manifest in render(layout, release)]
    plan = make_plan(manifests, layout.inner_kubeconfig)
    process.ensure(layout, prometheus(layout, [*plan.scrapes, argocd_scrape()], plan.groups))
    url = open_address(layout)
    expected = {(release.namespace, release.model) for release in releases}
    wait_until("metrics of every release", lambda: scraped(url, expected), 120)
    return describe(layout, url, plan)


def render(layout: Layout, release: Release) -> list[Object]:
    """Return the monitor and the rules of a release, by the chart of this checkout."""
    folder = open_gitops(layout).worktree / "environments" / release.environment
    model_folder = folder / release.model
    files = [folder / "common.yaml", *(model_folder / f"{part}.yaml" for part in _VALUE_FILES)]
    return render_values(layout, release.model, release.namespace, files)


_VALUE_FILES = ("settings", "capacity", "version")


def render_values(
    layout: Layout, name: str, namespace: str, files: Sequence[Path], *more: str
) -> list[Object]:
    """Return the monitor and the rules that the chart renders for these value files.

    `more` are further `key=value`. Raises CommandError with Helm's output.
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
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def make_plan(manifests: Sequence[Object], kubeconfig: Path) -> PrometheusPlan:
    """Return the plan for rendered manifests; group names get a prefix, unique in one file."""
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
    return PrometheusPlan(scrapes, groups)


def argocd_scrape() -> Object:
    """Return the scrape configuration of Argo CD's controller, a process of the sandbox."""
    return {
        "job_name": "argocd",
        "static_configs": [{"targets": [f"127.0.0.1:{CONTROLLER_METRICS_PORT}"]}],
    }


def open_address(layout: Layout) -> str:
    """Forward a port of the host to Prometheus; return its URL."""
    known = addresses.read_addresses(layout)
    assigned = addresses.assign([*known, TARGET], known)
    addresses.write_addresses(layout, assigned)
    ports = [api_forward(layout), *addresses.forwards(assigned)]
    process.ensure(layout, forwarder(layout, ports))
    return assigned[TARGET].url


def query_prometheus(url: str, query: str, *, in_netns: bool = False) -> list[Object]:
    """Return the present result of a query; empty when Prometheus does not answer."""
    address = f"{url}/api/v1/query?query={quote(query)}"
    reply = web.request("GET", address, in_netns=in_netns)
    if reply.status != 200:
        return []
    series: list[Object] = json.loads(reply.body)["data"]["result"]
    return series


def scraped(url: str, expected: set[tuple[str, str]]) -> Answer:
    """Return whether every release has a pod that was scraped."""
    series = query_prometheus(url, "up == 1 and ml_workers")
    jobs = {(each["metric"]["namespace"], each["metric"]["job"]) for each in series}
    missing = sorted("/".join(job) for job in expected - jobs)
    return Answer(not missing, f"no metrics of {', '.join(missing)}" if missing else "all scraped")


def describe(layout: Layout, url: str, plan: PrometheusPlan) -> str:
    """Return what `make observe` prints: the releases, and where to look."""
    rows = [f"{'RELEASE':<28}{'PODS':>5}{'REQUESTS':>10}{'ALERTS':>8}"]
    pods = _by_release(query_prometheus(url, "count by (namespace, job) (ml_workers)"), "job")
    requests = _by_release(
        query_prometheus(url, "sum by (namespace, job) (ml_requests_total)"), "job"
    )
    firing = 'count by (namespace, release) (ALERTS{alertstate="firing",release!=""})'
    alerts = _by_release(query_prometheus(url, firing), "release")
    for release in sorted(pods):
        numbers = (pods[release], requests.get(release, 0), alerts.get(release, 0))
        rows.append(f"{release:<28}{numbers[0]:>5g}{numbers[1]:>10g}{numbers[2]:>8g}")
    return "\n".join(
        [
            *rows,
            "",
            f"Releases, alerts: {url}/consoles/releases.html",
            f"Prometheus API:   {url} ({len(plan.groups)} rule groups)",
            f"  curl -sG {url}/api/v1/query --data-urlencode 'query=ml:feature_psi'",
            f"  curl -s {url}/api/v1/alerts",
            f"Runbooks:         {layout.root}/docs/runbooks",
            f"Dashboards:       {layout.root}/deploy/grafana (import them into your Grafana, with",
            f"                  {url} as data source)",
        ]
    )


def _by_release(series: list[Object], label: str) -> dict[str, float]:
    return {
        f"{one['metric']['namespace']}/{one['metric'][label]}": float(one["value"][1])
        for one in series
    }
