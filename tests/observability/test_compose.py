"""What Prometheus of deploy/compose is told: it takes it, and the rules are those releases' own."""

from __future__ import annotations

import re

import yaml

from tests import rendering
from tests.paths import ROOT

FOLDER = ROOT / "deploy/compose/prometheus"


def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    checked = rendering.run(
        rendering.tool("promtool"), "check", "config", FOLDER / "prometheus.yaml"
    )
    assert checked.code == 0, checked.stdout + checked.stderr
    for path in (FOLDER / "rules").glob("*.yaml"):
        assert f"Checking {path}" in checked.stdout


def test_rules_look_at_what_is_scraped_there() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    for job in config["scrape_configs"]:
        (target,) = job["static_configs"]
        text = (FOLDER / "rules" / f"{job['job_name']}.yaml").read_text()
        namespaces = set(re.findall(r'namespace="([^"]+)"', text))
        jobs = set(re.findall(r'job=~"([^"]+)"', text))
        assert namespaces == {target["labels"]["namespace"]}
        assert [bool(re.fullmatch(pattern, job["job_name"])) for pattern in jobs] == [True]
