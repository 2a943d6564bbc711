"""What happens to a release is seen: by a Prometheus that scrapes as its monitor says, with the
chart's rules made thirty times faster, and by an autoscaler that counts requests.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from sklearn.datasets import load_iris

from sandbox import observe, process, web
from sandbox.components.prometheus import NAME
from tests.paths import ROOT
from tests.runner.scenarios import ARGOCD

from . import observing
from .loop import Loop, eventually, measured
from .runbooks import OF_CONSUMERS, OF_ROLLOUTS, PAGES, diagnose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ad_hoc import AdHoc, AdHocReleases

# On a machine that is busy with the other tests as well.
DEADLINE_SECONDS = 180
SETTINGS = ("metrics.rules.drift.minimumRows=100", "metrics.rules.minimumRequests=5")
# Requests per second are the only thing that this one is scaled by.
COUNTED = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": 2,
        "cpuUtilization": 0,
        "requestsPerSecond": 10,
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}},
    },
    "resources": {"requests": {"cpu": "50m"}},
}
# Flowers that there are not: longer and wider than any in the sample.
STRANGE = [12.0, 9.0, 11.0, 7.0]


class Watched(NamedTuple):
    """Two releases, so that the load of one is no drift of the other, and who watches them."""

    plain: AdHoc
    counted: AdHoc
    url: str


@pytest.fixture(scope="module")
def watched(loop: Loop, ad_hoc: AdHocReleases) -> Iterator[Watched]:
    """Both are served and scraped."""
    with (
        ad_hoc.installed("counted", COUNTED, wait=False) as counted,
        ad_hoc.installed("plain", {}) as plain,
        observing.watching(loop, [plain, counted], *SETTINGS) as url,
    ):
        query = 'up{container="model",endpoint="http",service=~"plain|counted"} == 1'
        seconds = eventually(
            "the first scrape",
            lambda: (len(found := observe.query_prometheus(url, query, in_netns=True)) >= 2, found),
            DEADLINE_SECONDS,
        )
        measured("Prometheus finds the pods of two ServiceMonitors", seconds, 20)
        yield Watched(plain, counted, url)


def predict(address: str, rows: list[list[float]]) -> None:
    """One request of several rows."""
    body = json.dumps({"instances": rows}).encode()
    headers = {"Content-Type": "application/json"}
    reply = web.request(
        "POST", f"http://{address}/predict/batch", body=body, headers=headers, in_netns=True
    )
    assert reply.status == 200, reply.text


def index_is_known(url: str, release: AdHoc) -> bool:
    """Is there an index of every feature, all far below what is called drift?"""
    query = f'ml:feature_psi{{window="6h",release="{release.model}"}}'
    found = observe.query_prometheus(url, query, in_netns=True)
    return len(found) == len(STRANGE) and all(float(one["value"][1]) < 0.05 for one in found)


def wait_for_alert(url: str, release: AdHoc, *wanted: tuple[str, str]) -> float:
    """Wait until those alerts fire; returns seconds."""
    return eventually(
        f"{wanted} firing",
        lambda: (set(wanted) <= set(found := observing.firing(url, release)), list(found)),
        DEADLINE_SECONDS,
    )


def test_requests_per_second_feed_the_autoscaler(loop: Loop, watched: Watched, sample: Any) -> None:
    release, url = watched.counted, watched.url
    with observing.adapting(loop, url):
        seconds = eventually(
            "the metric in the API",
            lambda: (
                bool(
                    (found := observing.custom_metric(loop, release.namespace) or {}).get("items")
                ),
                found,
            ),
            DEADLINE_SECONDS,
        )
        measured("requests per second in the custom metrics API", seconds, 30)
        with loop.probing(release, sample, "--connections=2", "--pause=0.05") as report:
            seconds = eventually(
                "two pods",
                lambda: (len(release.ready_pods()) == 2, release.get("hpa")["status"]),
                DEADLINE_SECONDS,
            )
            measured("from one pod to two by requests per second", seconds, 60)
    assert report["failed"] == 0, report


def test_shifted_traffic_fires_the_drift_alert(loop: Loop, watched: Watched) -> None:
    release, url = watched.plain, watched.url
    address = release.get("service")["spec"]["clusterIP"]
    # Flowers of the data that the model was trained on, and long enough for an alert to be wrong.
    deadline = time.monotonic() + 45
    flowers = load_iris().data.tolist()
    while time.monotonic() < deadline:
        for start in (0, 50, 100):
            predict(address, flowers[start : start + 50])
        time.sleep(2)
    assert index_is_known(url, release)
    quiet = observing.firing(url, release)
    assert not any(alert.startswith("Ml") and alert.endswith("Drift") for alert, _ in quiet), quiet
    drift, started = "MlFeatureDrift", time.monotonic()
    for _ in range(100):
        predict(address, [STRANGE] * 50)
    wait_for_alert(url, release, (drift, "warning"), (drift, "critical"))
    measured("drift seen, at thirty times the speed", time.monotonic() - started, 60)
    labels = observing.firing(url, release)[drift, "critical"]
    assert (labels["namespace"], labels["release"]) == (release.namespace, release.model)
    address = f"{url}/api/v1/alerts"
    alerts = json.loads(web.request("GET", address, in_netns=True).body)["data"]["alerts"]
    notes = [alert["annotations"] for alert in alerts]
    assert not [note for note in notes if "error expanding" in json.dumps(note)]
    assert all((PAGES / note["runbook_url"].rpartition("/")[2]).is_file() for note in notes), notes


def test_a_model_that_stops_fires_the_alert_that_no_pod_answers(
    watched: Watched,
) -> None:
    release, url = watched.plain, watched.url
    assert ("MlNoPods", "critical") not in observing.firing(url, release)
    # The other release goes on and must not hide it.
    release.kubectl("scale", f"deployment/{release.model}", "--replicas=0")
    measured("a stopped model noticed", wait_for_alert(url, release, ("MlNoPods", "critical")), 30)


@pytest.mark.group(ARGOCD)
def test_make_observe_shows_every_release(loop: Loop) -> None:
    running = process.find_running(loop.layout, NAME) is not None
    done = subprocess.run(
        ["make", "--no-print-directory", "observe"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        releases = loop.releases
        for release in releases:
            assert f"{release.namespace}/{release.model} " in done.stdout
        url = re.findall(r"http://127\.0\.0\.1:\d+", done.stdout)[0]
        names = {release.name for release in releases}
        eventually("Argo CD's word on every release", lambda: told_synced(url, names), 60)
        elsewhere = OF_ROLLOUTS | OF_CONSUMERS
        pages = [page for page in PAGES.glob("Ml*.md") if page.name not in elsewhere]
        diagnose(loop, pages, loop.release("production-iris"), url, loop.layout.kubeconfig)
    finally:
        if not running:
            process.stop(loop.layout, NAME)


def told_synced(url: str, names: set[str]) -> tuple[bool, object]:
    """Whether Argo CD calls all of them Synced; the first scrape may be to come."""
    found = observe.query_prometheus(url, 'argocd_app_info{sync_status="Synced"}')
    missing = names - {one["metric"]["name"] for one in found}
    return not missing, sorted(missing)
