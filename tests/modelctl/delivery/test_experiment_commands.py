"""`modelctl experiment`: what people type and see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from modelctl.errors import ModelctlError
from tests.modelctl.conftest import VERSION, commit_all, run, variant
from tests.modelctl.delivery.experiment_files import CONTENT

FILE = "environments/production/iris/experiment.yaml"
ENV = ("--env", "production")


@pytest.fixture
def asked(released: Path) -> Path:
    """A checkout with an experiment in production and its variant."""
    path = released / FILE
    path.write_text(yaml.safe_dump({**CONTENT, "end": "2999-11-15T00:00:00Z"}, sort_keys=False))
    (path.parent / "variants").mkdir()
    (path.parent / "variants/forest.yaml").write_text(variant("forest", 50))
    commit_all(released, "ask a question")
    return released


def test_assign_prints_the_arm_of_each_unit(asked: Path) -> None:
    assert run("experiment", "assign", "iris", *ENV, "user-1", "user-2") == (
        "user-1\tprimary\nuser-2\tprimary\n"
    )
    document = json.loads(
        run("experiment", "assign", "iris", *ENV, "--output", "json", "user-4", "user-11")
    )
    assert document == {"user-4": "primary", "user-11": "forest"}


def test_plan_prints_units_and_days_and_what_is_too_few(asked: Path) -> None:
    text = run("experiment", "plan", "iris", *ENV, "--units-per-day", "1000")
    assert "accepted  0.02    7,682  7.7" in text
    assert "plannedUnits: 8,000 is enough" in text
    document = json.loads(run("experiment", "plan", "iris", *ENV, "--output", "json"))
    assert (document["units"], document["planned"]) == (7682, 8000)
    path = asked / FILE
    path.write_text(path.read_text().replace("8000", "100"))
    text = run("experiment", "plan", "iris", *ENV)
    assert "plannedUnits: 100 is too few for a power of 80%: expected 7,682" in text


def test_another_version_of_a_variant_during_an_experiment_is_noted(asked: Path) -> None:
    path = asked / "environments/production/iris/variants/forest.yaml"
    path.write_text(variant("forest", 50) + "    replicaCount: 2\n")
    commit_all(asked, "more pods")
    assert "two models" not in run("experiment", "status")
    path.write_text(variant("forest", 50, VERSION.replace("1.0.0", "1.1.0")))
    commit_all(asked, "another version")
    (entry,) = json.loads(run("experiment", "status", "--output", "json"))
    assert [change["arm"] for change in entry["changed"]] == ["forest"]
    text = run("experiment", "status")
    assert "running, void" in text
    assert "the version of forest changed on " in text


def test_an_experiment_that_is_stopped_still_asks_the_same(asked: Path) -> None:
    before = json.loads(run("experiment", "status", "--output", "json"))
    path = asked / FILE
    path.write_text(path.read_text() + 'stopped: "2026-11-20T00:00:00Z"\n')
    commit_all(asked, "stop")
    (entry,) = json.loads(run("experiment", "status", "--output", "json"))
    assert entry["state"] == "ended"
    assert entry["notes"][0] == before[0]["notes"][0]  # about the commit that added it


def test_status_lists_dates_arms_and_what_git_runs_in_them(asked: Path) -> None:
    text = run("experiment", "status")
    assert "production-iris" in text
    assert "running" in text
    assert "primary 50% (not released), forest 50% (1.0.0)" in text
    # It was committed after its start, on 1 November.
    assert "experiment.yaml changed after its start" in text
    (entry,) = json.loads(run("experiment", "status", "--output", "json"))
    assert entry["versions"] == {"primary": "", "forest": "1.0.0"}
    assert entry["experiment"]["plannedUnits"] == 8000
    assert run("experiment", "status", "--env", "dev") == "no experiments\n"


def test_two_experiments_over_the_same_unit_are_pointed_out(asked: Path) -> None:
    other = asked / FILE.replace("production", "staging")
    other.write_text((asked / FILE).read_text())
    assert "they split it alike" in run("experiment", "status")


def test_analyze_prints_a_table_of_80_columns_and_one_sentence(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"user-{number},{int(number % 9 == 0)}" for number in range(2000)]
    path = tmp_path / "outcomes.csv"
    path.write_text("\n".join(["unit,accepted", *rows]))
    plot, page = tmp_path / "plot.png", tmp_path / "report.html"
    words = ("experiment", "analyze", "iris", *ENV, "--outcomes", str(path))
    monkeypatch.setenv("COLUMNS", "80")
    text = run(*words, "--plot", str(plot), "--html", str(page))
    table = text.splitlines()[2:4]
    assert max(map(len, table)) <= 80
    assert table[0].split() == ["metric", "primary", "variant", "difference", "p", "interval"]
    assert "Forest is not decided at 2,000 of 8,000 planned units" in text
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "<script" not in page.read_text()
    assert "Forest is not decided" in page.read_text()
    document = json.loads(run(*words, "--output", "json"))
    assert document["decisions"] == {"forest": "continue"}
    assert document["sentence"].startswith("Forest is not decided")
    svg = tmp_path / "plot.svg"
    run(*words, "--plot", str(svg))
    assert "<svg" in svg.read_text()


def test_a_plot_of_another_format_is_refused_before_anything_is_read(asked: Path) -> None:
    with pytest.raises(ModelctlError, match="unknown format of a plot"):
        run("experiment", "analyze", "iris", *ENV, "--outcomes", str(asked / FILE),
            "--plot", "plot.pdf")  # fmt: skip


def test_a_model_without_an_experiment_is_told_where_to_write_one(released: Path) -> None:
    with pytest.raises(ModelctlError, match="no experiment with 'iris' in 'production'") as caught:
        run("experiment", "plan", "iris", *ENV)
    assert caught.value.expected == FILE


def outcomes_of(path: Path, header: str, cells: str) -> Path:
    """2,000 units with the same cells."""
    rows = [f"user-{number},{cells}" for number in range(2000)]
    path.write_text("\n".join([f"unit,{header}", *rows]))
    return path


def test_no_moment_in_the_future_is_judged(asked: Path, tmp_path: Path) -> None:
    """At the planned end the fixed test is used: to name that day early would be to peek."""
    path = outcomes_of(tmp_path / "o.csv", "accepted", "1")
    words = ("experiment", "analyze", "iris", *ENV, "--outcomes", str(path))
    with pytest.raises(ModelctlError, match="--at is in the future") as caught:
        run(*words, "--at", "2999-12-01")
    assert "2999-12-01 00:00 UTC" in caught.value.found
    assert "at 2026-11-10 00:00 UTC" in run(*words, "--at", "2026-11-10")


@pytest.mark.parametrize("name", ["revenue[eur]", "x [/s]", "[bold]x[/bold]", "a\\[b]"])
def test_names_of_metrics_are_shown_as_they_are(asked: Path, tmp_path: Path, name: str) -> None:
    file = asked / FILE
    content = yaml.safe_load(file.read_text())
    content["metrics"][0]["name"] = name
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    assert name in run("experiment", "plan", "iris", *ENV)
    path = outcomes_of(tmp_path / "o.csv", name, "1")
    text = run("experiment", "analyze", "iris", *ENV, "--outcomes", str(path))
    assert text.count(name) >= 1


@pytest.mark.parametrize("option", ["--plot", "--html"])
def test_folders_of_reports_are_made(asked: Path, tmp_path: Path, option: str) -> None:
    path = outcomes_of(tmp_path / "o.csv", "accepted", "1")
    target = tmp_path / "new/folder/report.svg"
    run("experiment", "analyze", "iris", *ENV, "--outcomes", str(path), option, str(target))
    assert target.is_file()


@pytest.mark.parametrize("option", ["--plot", "--html"])
def test_a_report_that_cannot_be_written_says_so(asked: Path, tmp_path: Path, option: str) -> None:
    path = outcomes_of(tmp_path / "o.csv", "accepted", "1")
    with pytest.raises(ModelctlError, match="cannot be written"):
        run("experiment", "analyze", "iris", *ENV, "--outcomes", str(path),
            option, str(path / "report.svg"))  # fmt: skip


@pytest.mark.parametrize("unit", ["\udcff", "a\udc80b", "a\x00b", ""])
def test_units_that_no_client_sends_are_refused(asked: Path, unit: str) -> None:
    with pytest.raises(ModelctlError, match="no value of a header or cookie"):
        run("experiment", "assign", "iris", *ENV, unit)


@pytest.mark.parametrize("days", ["nan", "inf", "0", "-1", "1_0", "\u0661"])
def test_units_per_day_are_a_finite_number(asked: Path, days: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("experiment", "plan", "iris", *ENV, "--units-per-day", days)


def test_the_first_line_of_an_analysis_fits_80_columns(asked: Path, tmp_path: Path) -> None:
    path = outcomes_of(tmp_path / "o.csv", "accepted", "1")
    text = run("experiment", "analyze", "iris", *ENV, "--outcomes", str(path))
    table = next(at for at, line in enumerate(text.splitlines()) if line.startswith("metric"))
    assert max(map(len, text.splitlines()[:table])) <= 80
