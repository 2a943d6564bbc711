"""The profile `observability` of the compose file: who is scraped, which rules, which dashboards.

Neither Docker nor Grafana runs here: the files are held to each other, and tests/observability
holds the same rules and dashboards to a real Prometheus.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.compose.test_compose import FOLDER, MODELS, SERVICES
from tests.paths import ROOT

MONITORING = {n: service for n, service in SERVICES.items() if "profiles" in service}
PROMETHEUS: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus/prometheus.yaml").read_text())
SCRAPED = {job["job_name"]: job["static_configs"] for job in PROMETHEUS["scrape_configs"]}


def mounts(service: str) -> dict[str, str]:
    """Target -> source of a service's folders."""
    return {v["target"]: v["source"] for v in SERVICES[service]["volumes"]}


def test_without_the_profile_nothing_of_it_runs() -> None:
    assert set(MONITORING) == {"prometheus", "grafana"}
    assert all(service["profiles"] == ["observability"] for service in MONITORING.values())
    needed = [
        service.get("depends_on", {}) for n, service in SERVICES.items() if n not in MONITORING
    ]
    assert not any(set(names) & set(MONITORING) for names in needed)


def test_every_model_is_scraped_with_the_labels_of_a_release() -> None:
    assert set(SCRAPED) == set(MODELS)
    for name, ((target,)) in SCRAPED.items():
        port = MODELS[name]["environment"]["METRICS_PORT"]
        assert target["targets"] == [f"{name}:{port}"]
        assert target["labels"] == {"namespace": "compose", "pod": name, "container": "model"}


def test_prometheus_is_the_one_of_our_tests() -> None:
    module = (ROOT / "tools/prometheus/go.mod").read_text()
    (minor, patch) = re.findall(r"prometheus/prometheus v0\.3(\d+)\.(\d+)", module)[0]
    assert SERVICES["prometheus"]["image"].endswith(f":v3.{int(minor)}.{patch}")


def test_prometheus_finds_its_configuration_and_one_file_of_rules_for_each_model() -> None:
    assert mounts("prometheus")["/etc/prometheus"] == "./prometheus"
    assert "--config.file=/etc/prometheus/prometheus.yaml" in SERVICES["prometheus"]["command"]
    assert PROMETHEUS["rule_files"] == ["rules/*.yaml"]
    assert {path.stem for path in (FOLDER / "prometheus/rules").glob("*.yaml")} == set(MODELS)


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    found = mounts("grafana")
    provisioning = FOLDER / found["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/ml-models.yaml").read_text())[
        "providers"
    ]
    dashboards = (FOLDER / found[provider["options"]["path"]]).resolve()
    assert sorted(path.stem for path in dashboards.glob("*.json")) == ["drift", "model", "overview"]


def test_whoever_reaches_grafana_may_look_and_not_change() -> None:
    environ = SERVICES["grafana"]["environment"]
    assert environ["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environ["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert not [name for name in environ if "PASSWORD" in name]
