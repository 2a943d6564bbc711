"""`modelctl drift report --prometheus` beside the chart's rules, on real services and one moment.

The rules record the stability index; the report computes it from the same counters and the bundle.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from tests import trained
from tests.observability.stack import NAMESPACE, Stack
from tests.observability.traffic import Client

RELEASE = "dev-iris"
ROWS = 600


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two pods of iris asked rows that are far from the sample, and one of penguins beside them."""
    with Stack(tmp_path_factory.mktemp("drift")) as stack:
        for pod, release in (("a", RELEASE), ("b", RELEASE), ("c", "dev-penguins")):
            stack.serve(release, trained.bundle(release.removeprefix("dev-")), pod)
        stack.watch(RELEASE)
        # An increase is one over what was seen before.
        stack.wait_for("scraped", lambda: len(stack.ask("up == 1")) == 3)
        for pod, service in stack.pods.items():
            client = Client(service, trained.bundle("penguins" if pod == "c" else "iris"))
            client.shift = 0.0 if pod == "c" else 1.5
            for _ in range(ROWS // 100):
                client.predict(100)
        stack.wait_for("recorded", lambda: recorded(stack))
        yield stack


def recorded(stack: Stack) -> dict[str, Any]:
    """What the rules say, once they have seen all rows."""
    counted = stack.ask(f'sum(ml_feature_bin_total{{job="{RELEASE}",feature="petal_width"}})')
    whole = counted and float(counted[0]["value"][1]) == 2 * ROWS
    found = stack.ask(f'ml:feature_psi{{release="{RELEASE}",window="1h"}}')
    return {one["metric"]["feature"]: one for one in found} if whole else {}


def report(stack: Stack, *arguments: str, code: int = 0) -> str:
    argv = ["drift", "report", "iris", "--bundle", str(trained.bundle("iris"))]
    argv += ["--prometheus", stack.url, "--namespace", NAMESPACE, *arguments]
    result = CliRunner().invoke(cli, argv)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def at_one_moment(stack: Stack, name: str) -> tuple[datetime, dict[str, float]]:
    """When the rules last recorded, and what, by feature."""
    for _ in range(50):
        times = stack.ask(f'timestamp({name}{{release="{RELEASE}",window="1h"}})')
        moments = {float(one["value"][1]) for one in times}
        if len(moments) == 1:
            (moment,) = moments
            query = f'{name}{{release="{RELEASE}",window="1h"}} @ {moment!r}'
            found = stack.ask(query)
            if len(found) == len(times):
                values = {one["metric"].get("feature", ""): float(one["value"][1]) for one in found}
                return datetime.fromtimestamp(moment, UTC), values
        time.sleep(0.1)
    raise AssertionError("the rules never recorded all series at once")


def report_at(stack: Stack, moment: datetime) -> dict[str, Any]:
    """The report of that very moment; the option has whole seconds only."""
    from modelctl.drift import report as reports
    from modelctl.drift.findings import Thresholds
    from modelctl.drift.prometheus import Prometheus
    from tests.modelctl.drift.drifting import bundle

    subject = reports.Subject.of(bundle("iris"), "iris")
    found = reports.from_prometheus(
        subject, Prometheus(stack.url, moment), Thresholds(), namespace=NAMESPACE
    )
    return found.as_dict()


def test_the_report_says_what_the_rules_record(stack: Stack) -> None:
    moment, expected = at_one_moment(stack, "ml:feature_psi")
    found = report_at(stack, moment)
    assert expected.keys() == {feature["name"] for feature in found["features"]}
    for feature in found["features"]:
        assert feature["psi"] == pytest.approx(expected[feature["name"]], rel=1e-9)
    assert max(expected.values()) > 1


def test_so_it_does_of_predictions(stack: Stack) -> None:
    moment, expected = at_one_moment(stack, "ml:prediction_psi")
    found = report_at(stack, moment)
    assert found["predictions"]["psi"] == pytest.approx(expected[""], rel=1e-9)
    assert found["predictions"]["psi"] > 0.1


def test_the_release_is_found_by_its_model_and_no_other_pod_is_counted(stack: Stack) -> None:
    found = json.loads(report(stack, "--output", "json", "--fail-on", "critical", code=4))
    assert found["source"] == f"{RELEASE} in {NAMESPACE}, the last 1h in Prometheus"
    assert found["rows"] > ROWS, "one of the two pods is missing"
    assert {feature["name"] for feature in found["features"]} == {
        "sepal_length", "sepal_width", "petal_length", "petal_width"
    }  # fmt: skip
    assert found["notes"] == []


def test_rows_are_the_increase_that_prometheus_gives(stack: Stack) -> None:
    """Which is not what was sent: Prometheus extrapolates to the ends of the window."""
    moment, _ = at_one_moment(stack, "ml:feature_psi")
    increase = f'increase(ml_feature_bin_total{{job="{RELEASE}"}}[1h])'
    (given,) = stack.ask(f"max(sum by (feature) ({increase}))", moment.timestamp())
    found = report_at(stack, moment)["rows"]
    assert found == pytest.approx(float(given["value"][1]), rel=0.02)


def test_it_is_written_as_a_page_too(stack: Stack, tmp_path: Path) -> None:
    text = report(stack, "--release", RELEASE, "--html", str(tmp_path / "drift.html"))
    assert text.endswith(f"wrote {tmp_path / 'drift.html'}\n")
    assert "petal_length" in (tmp_path / "drift.html").read_text()


def test_a_release_that_is_not_there_is_said(stack: Stack) -> None:
    with pytest.raises(ModelctlError, match="no pod of 'dev-rose' served this bundle"):
        report(stack, "--release", "dev-rose")
    with pytest.raises(ModelctlError, match="Prometheus has no releases of 'iris' in 'elsewhere'"):
        report(stack, "--namespace", "elsewhere")


def test_a_window_is_checked_and_a_refusal_passed_on(stack: Stack) -> None:
    with pytest.raises(ModelctlError, match="invalid --window: 1h]"):
        report(stack, "--window", "1h]")
    with pytest.raises(ModelctlError) as refused:
        report(stack, "--window", "99999999999y")
    assert "query to Prometheus at " in str(refused.value)
    assert "duration" in refused.value.found
