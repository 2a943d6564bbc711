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
    assert "the version of forest changed during the experiment" in entry["notes"][-1]


def test_an_experiment_that_is_stopped_still_asks_the_same(asked: Path) -> None:
    before = json.loads(run("experiment", "status", "--output", "json"))
    path = asked / FILE
    path.write_text(path.read_text() + 'stopped: "2026-11-20T00:00:00Z"\n')
    commit_all(asked, "stop")
    (entry,) = json.loads(run("experiment", "status", "--output", "json"))
    assert entry["state"] == "ended"
    assert entry["notes"][0] == before[0]["notes"][0]  # about the commit that added it


def test_a_promotion_warns_of_a_running_experiment(asked: Path) -> None:
    staging = asked / "environments/staging/iris/version.yaml"
    staging.write_text(VERSION)
    commit_all(asked, "staging")
    text = run("promote", "iris", "--to", "production", "--no-live", "--dry-run")
    assert "warning: an experiment of 'iris' runs in production until" in " ".join(text.split())


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
    table = text.splitlines()[1:3]
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
