"""The dashboards: fresh, tidy, and every query answered by a real Prometheus fed by real services.

Grafana itself is not started here: what is tested is the JSON that it reads and the data behind it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dashboards.__main__ import FOLDER, files
from dashboards.draw import draw
from dashboards.source import QueryError, Source, panels, results
from tests import rendering, trained
from tests.observability.pictures import DRAWN_FROM
from tests.observability.stack import NAMESPACE, Stack, moment_with_all
from tests.observability.traffic import Client
from tests.paths import ROOT
from tests.queues import brokers
from tests.queues.sides import SIDES

WANTED = files()
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
BUILT_IN = {"__rate_interval", "__range", "__all", "1"}
# Of kube-state-metrics and Argo CD, which are not there without a cluster: these must parse only.
FOREIGN = re.compile(r"\b(kube_\w+|argocd_\w+|rollout_\w+)\{")
# Of a canary, which is in the tests of the verdict: test_verdict.py.
VERDICT = re.compile(r"\bml:verdict_\w+")
# Names of metrics with their selector, whoever's they are.
SELECTED = re.compile(r"\b((?:ml|kube|argocd|process|rollout)[_:][\w:]+|ALERTS\w*)\{([^}]*)\}")
dashboard = pytest.mark.parametrize("document", DASHBOARDS.values(), ids=DASHBOARDS)


def targets(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every query with the title of its panel."""
    for panel in panels(document):
        for target in panel["targets"]:
            yield panel["title"], target


QUERIES = [
    pytest.param(target, id=f"{name}: {title} {target['refId']}")
    for name, document in DASHBOARDS.items()
    for title, target in targets(document)
]
EXPRESSIONS = {target["expr"] for d in DASHBOARDS.values() for _, target in targets(d)}


def test_the_files_are_what_the_code_makes() -> None:
    assert {path.stem for path in WANTED} == set(DASHBOARDS)
    stale = [path.name for path, text in WANTED.items() if path.read_text() != text]
    assert stale == [], "run `make generate`"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_the_pictures_in_the_docs_show_the_dashboards_as_they_are(path: Path) -> None:
    with Image.open(ROOT / f"docs/images/dashboard-{path.stem}.png") as picture:
        drawn_from = picture.info.get(DRAWN_FROM)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert drawn_from == expected, "run `make dashboard-pictures`, and look at them"


@dashboard
def test_a_panel_says_what_it_shows(document: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in document["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in panels(document):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEFGHIJ")[: len(letters)], panel["title"]


@dashboard
def test_every_query_asks_the_chosen_data_source(document: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    marks = document["annotations"]["list"]
    listed = [v for v in document["templating"]["list"] if v["type"] == "query"]
    asking = [*panels(document), *(t for _, t in targets(document)), *marks, *listed]
    assert [item for item in asking if item["datasource"] != chosen] == []
    (first, *_) = document["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == (
        *("datasource", "datasource", "prometheus"),
    )


@dashboard
def test_every_variable_exists_and_is_used(document: dict[str, Any]) -> None:
    text = json.dumps([document["panels"], document["annotations"], document["templating"]])
    used = set(re.findall(r"\$\{?(\w+)", text)) - BUILT_IN
    made = {variable["name"] for variable in document["templating"]["list"]}
    assert used == made
    assert {"datasource", "namespace"} <= made


@pytest.mark.parametrize("expr", sorted(EXPRESSIONS))
def test_a_query_looks_at_the_chosen_releases_only(expr: str) -> None:
    found = SELECTED.findall(expr)
    assert found
    for name, selector in found:
        assert re.search(r'(dest_)?namespace=~?"\$namespace"', selector), name


@pytest.mark.parametrize("expr", sorted(EXPRESSIONS))
def test_a_rate_follows_the_scrape_interval(expr: str) -> None:
    """A fixed window is empty where scrapes are rarer, and too coarse where they are not."""
    windows = set(re.findall(r"\[([^\]]+)\]", re.sub(r'"[^"]*"', "", expr)))
    assert windows <= {"$__rate_interval", "$__range", "$window"}
    assert "irate" not in expr


@dashboard
def test_panels_fill_the_grid_without_covering_each_other(document: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in document["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in taken, f"{panel['title']} covers {taken[x, y]}"
                taken[x, y] = panel["title"]
    bottom = max(y for _, y in taken)
    holes = [(x, y) for y in range(bottom + 1) for x in range(24) if (x, y) not in taken]
    assert holes == []


def test_each_dashboard_leads_to_the_others() -> None:
    identifiers = [document["uid"] for document in DASHBOARDS.values()]
    assert sorted(identifiers) == ["ml-drift", "ml-model", "ml-overview"]
    for document in DASHBOARDS.values():
        (link,) = document["links"]
        assert link["tags"] == document["tags"] == ["ml-model"]
        assert (link["includeVars"], link["keepTime"]) == (True, True)


def test_they_are_installed_as_config_maps_that_grafana_finds() -> None:
    built = rendering.build_overlay(FOLDER)
    assert {item["kind"] for item in built} == {"ConfigMap"}
    for item in built:
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((name, text),) = item["data"].items()
        assert json.loads(text) == DASHBOARDS[name.removeprefix("ml-").removesuffix(".json")]
        # Without --server-side, kubectl keeps a copy of it in an annotation of at most 256 KiB.
        assert len(text) < 200_000
    assert len(built) == len(DASHBOARDS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """A classifier on two pods and a regressor, with traffic, mistakes, faults, and drift."""
    folder = tmp_path_factory.mktemp("broker")
    with Stack(tmp_path_factory.mktemp("stack")) as stack, brokers.redis(folder) as broker:
        stack.watch("iris", "diabetes")
        started = time.time()
        clients = []
        for release, pod in (("iris", "0"), ("iris", "1"), ("diabetes", "0")):
            bundle = trained.explained_bundle(release)
            cache = {"CACHE_BYTES": "1000000", "CACHE_URL": broker.url}
            service = stack.serve(release, bundle, f"{release}-7c9d4b5f6-0000{pod}", **cache)
            clients.append(Client(service, bundle))
        environ = {"QUEUE_URL": broker.url, "QUEUE_NAME": "iris"}
        stack.consume("iris", trained.bundle("iris"), "iris-consumer-0", **environ)
        # A counter that is first seen when all is done has no rate.
        stack.wait_for("the consumer scraped", lambda: stack.ask("ml_consumer_connected == 1"))
        clients[0].send(SIDES["redis"](broker.url, "iris"), requests=20, mistakes=2)
        scraped = 'count(ml_worker_starts_total{job!~".*-consumer"}) == 3'
        stack.wait_for("all pods scraped", lambda: stack.ask(scraped))
        for client in clients:
            client.shift = 1.0
            for _ in range(8):
                client.predict(100)
            for _ in range(20):
                client.predict()
                client.repeat()
                client.mistake()
                client.fault()
                client.explain()
        ended = moment_with_all(stack, (scraped, *WAITED))
        variables = {
            "namespace": NAMESPACE,
            "release": "iris",
            "availability": "99.9",
            "latency": "99",
            "seconds": "0.25",
            "window": "1h",
            "feature": "petal_length",
            "__rate_interval": "10s",
            "__range": f"{int(ended - started) + 1}s",
        }
        # The last step is the moment at which all is there.
        yield Source(stack.url, variables, ended - int(ended - started), ended, step=1)


# What comes last out of requests: indexes and alerts of the rules.
WAITED = (
    'ml_consumer_messages_total{result="answered"} == 20',
    "count_over_time(ml_consumer_oldest_seconds[1m]) > 3",
    'sum(ml_cache_hits_total{job="iris",level="memory"}) >= 40',
    'sum(ml_cache_connected{job="iris"}) == sum(ml_workers{job="iris"})',
    'ml:feature_psi{release="iris",window="1h"}',
    'ml:prediction_psi{release="iris",window="1d"}',
    'ALERTS{release="iris",alertname="MlAvailabilityBudgetBurn",alertstate="firing"}',
)


@pytest.mark.parametrize("target", QUERIES)
def test_a_query_is_answered_with_data(source: Source, target: dict[str, Any]) -> None:
    series = results(source, target)
    if FOREIGN.search(target["expr"]) or VERDICT.search(target["expr"]):
        return
    values = [value for each in series for value in each.values]
    assert any(map(math.isfinite, values)), source.fill(target["expr"])


@dashboard
def test_an_annotation_is_answered(source: Source, document: dict[str, Any]) -> None:
    for mark in document["annotations"]["list"]:
        assert source.range(mark["expr"]), mark["name"]


@dashboard
def test_a_variable_has_values(source: Source, document: dict[str, Any]) -> None:
    listed = [v for v in document["templating"]["list"] if v["type"] == "query"]
    for variable in listed:
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert asked is not None
        series, label = asked.groups()
        values = {each.labels[label] for each in source.instant(f"count by ({label}) ({series})")}
        assert values
        assert variable["multi"] or source.variables[variable["name"]] in values


def test_only_what_a_cluster_exports_is_left_unanswered() -> None:
    foreign = {name for expr in EXPRESSIONS for name in FOREIGN.findall(expr)}
    assert foreign == {
        "argocd_app_info",
        "kube_deployment_spec_replicas",
        "kube_deployment_status_replicas_available",
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "kube_horizontalpodautoscaler_status_current_replicas",
        "kube_pod_container_resource_limits",
        "kube_pod_container_status_restarts_total",
        "rollout_info",
    }


def test_a_query_that_does_not_parse_is_noticed(source: Source) -> None:
    with pytest.raises(QueryError, match="parse error"):
        source.instant("sum(ml_requests_total")


def test_all_panels_are_drawn_from_the_data(source: Source, tmp_path: Path) -> None:
    for name, document in DASHBOARDS.items():
        figure = draw(document, source)
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
        assert len(figure.axes) == len([*panels(document)])
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_the_shares_of_the_cache_are_of_all_predictions(source: Source) -> None:
    """Hits of every level and misses, as the services count them, add up."""
    (panel,) = [one for one in panels(DASHBOARDS["model"]) if one["title"] == "Hit ratio by level"]
    (ratio,) = panel["targets"]
    whole = dict(ratio, instant=True, expr=ratio["expr"].replace("$__rate_interval", "1h"))
    shares = {each.labels["level"]: each.values[-1] for each in results(source, whole)}
    counted = {
        each.labels["level"]: each.values[-1]
        for each in source.instant('sum by (level) (increase(ml_cache_hits_total{job="iris"}[1h]))')
    }
    (misses,) = source.instant('sum(increase(ml_cache_misses_total{job="iris"}[1h]))')
    asked = sum(counted.values()) + misses.values[-1]
    assert shares == pytest.approx({level: hits / asked for level, hits in counted.items()})
    assert shares["memory"] > 0.1
