"""`modelctl drift report --rows`: from what the service captured to a verdict and an exit code."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from tests import trained

from . import drifting
from .drifting import Row, by_name, capture, read_json


def report(name: str, *arguments: object, code: int = 0) -> str:
    """What `modelctl drift report` prints for the bundle of a sample model."""
    argv = ["drift", "report", name, "--bundle", str(trained.bundle(name)), *map(str, arguments)]
    result = CliRunner().invoke(cli, argv)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def longer_bills(row: Row, chance: random.Random) -> None:
    if row["bill_length_mm"] is not None:
        row["bill_length_mm"] += 4
    if chance.random() < 0.3:
        row["sex"] = None


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captured rows like the sample."""
    folder = tmp_path_factory.mktemp("calm")
    capture(folder, "penguins")
    return folder


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captured rows with longer bills and a third of the sexes gone, and their labels."""
    folder = tmp_path_factory.mktemp("drifted")
    drawn = capture(folder, "penguins", longer_bills)
    drifting.write_labels(folder / "labels.csv", "penguins", drawn)
    return folder


def test_rows_like_the_sample_have_not_drifted(calm: Path) -> None:
    text = report("penguins", "--rows", calm, "--fail-on", "warning")
    assert text.startswith("penguins 1.0.0: captured rows from ")
    assert ", 1,000 rows\n" in text
    assert text.count("no drift") == 7


def test_drift_is_found_where_it_is_and_ends_with_its_own_exit_code(drifted: Path) -> None:
    text = report(
        "penguins", "--rows", drifted, "--output", "json", "--fail-on", "critical", code=4
    )
    found = read_json(text)
    levels = {name: feature["level"] for name, feature in by_name(found).items()}
    assert levels.pop("bill_length_mm") == "critical"
    assert levels.pop("sex") == "critical"
    assert set(levels.values()) == {"ok"}
    assert (found["level"], found["rows"]) == ("critical", 1000)
    gone = {entry["bin"]: entry for entry in by_name(found)["sex"]["bins"]}["missing"]
    assert gone["reference"] == pytest.approx(11 / 344, abs=1e-6)
    assert 0.25 < gone["live"] < 0.4
    assert by_name(found)["bill_length_mm"]["kolmogorov_smirnov"]["p"] < 1e-6
    assert by_name(found)["bill_length_mm"]["chi_square"]["p"] < 1e-6


def test_the_exit_code_is_asked_for(drifted: Path) -> None:
    assert "critical" in report("penguins", "--rows", drifted)
    report("penguins", "--rows", drifted, "--fail-on", "critical", "--critical", "9", code=0)
    report("penguins", "--rows", drifted, "--fail-on", "warning", "--critical", "9", code=4)


def test_shares_are_those_that_the_service_counts(drifted: Path) -> None:
    """The same rows asked of a service: its counters, and the report from captured rows."""
    from tests.app.conftest import make_client

    client = make_client(trained.bundle("penguins"), MAX_BATCH_ROWS="1000")
    rows = [
        orjson.loads(line)
        for path in sorted(drifted.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    answer = client.post("/predict", json={"instances": [row["features"] for row in rows]})
    assert [one["prediction"] for one in answer.get_json()["predictions"]] == [
        row["prediction"] for row in rows
    ]
    counted: dict[str, dict[str, float]] = {}
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(("ml_feature_bin_total{", "ml_predictions_total{")):
            labels = dict(
                part.split("=") for part in line[line.index("{") + 1 : -1].split("}")[0].split(",")
            )
            name = labels.get("feature", '"predictions"').strip('"')
            label = labels.get("bin", labels.get("prediction", "")).strip('"')
            counted.setdefault(name, {})[label] = float(line.rsplit(" ", 1)[1])
    found = read_json(report("penguins", "--rows", drifted, "--output", "json"))
    reported = {**by_name(found), "predictions": found["predictions"]}
    assert counted.keys() == reported.keys()
    for name, feature in reported.items():
        live = {entry["bin"]: entry["live"] * 1000 for entry in feature["bins"]}
        assert live == pytest.approx(counted[name], abs=1e-6), name


def test_labels_show_what_the_model_has_lost(drifted: Path) -> None:
    arguments = ("--rows", drifted, "--labels", drifted / "labels.csv", "--output", "json")
    found = read_json(report("penguins", *arguments))
    scores = {metric["name"]: metric for metric in found["performance"]}
    assert scores.keys() == {"accuracy", "f1_macro"}
    manifest = drifting.bundle("penguins").manifest
    for name, metric in scores.items():
        assert metric["before"] == manifest["metrics"][name]
        assert metric["low"] <= metric["live"] <= metric["high"]
    assert "1,000 of 1,000 rows have a label" in found["notes"]


def test_wrong_predictions_are_critical_even_without_drift(tmp_path: Path) -> None:
    drawn = capture(tmp_path, "iris")
    shuffled = [(at + 50) % 150 for at in drawn]
    labels = drifting.write_labels(tmp_path / "labels.csv", "iris", shuffled)
    arguments = ("--rows", tmp_path, "--labels", labels, "--output", "json")
    found = read_json(report("iris", *arguments, "--fail-on", "critical", code=4))
    assert {metric["level"] for metric in found["performance"]} == {"critical"}
    assert {feature["level"] for feature in found["features"]} == {"ok"}


def test_the_sample_tells_outliers_and_the_whole_distance(drifted: Path, calm: Path) -> None:
    sample = drifting.sample_file("penguins")
    found = read_json(
        report("penguins", "--rows", drifted, "--reference", sample, "--output", "json")
    )
    assert found["outliers"]["level"] == "critical"
    assert found["notes"] == []
    same = read_json(report("penguins", "--rows", calm, "--reference", sample, "--output", "json"))
    assert same["outliers"]["level"] == "ok"
    coarse = read_json(report("penguins", "--rows", drifted, "--output", "json"))
    for name in ("bill_length_mm", "body_mass_g"):
        whole, edges = (by_name(d)[name]["kolmogorov_smirnov"] for d in (found, coarse))
        assert edges["statistic"] <= whole["statistic"] + 1e-6
    assert any(note.startswith("without --reference, ") for note in coarse["notes"])


def test_another_sample_is_named_as_such(calm: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    lines = drifting.sample_file("penguins").read_text().splitlines()
    other.write_text("\n".join(lines[:200]) + "\n")
    text = report("penguins", "--rows", calm, "--reference", other)
    assert "other.csv is not the sample that the bundle was packaged with" in text


def test_few_rows_say_nothing(tmp_path: Path) -> None:
    capture(tmp_path, "iris", longer_petals, rows=100)
    found = read_json(
        report("iris", "--rows", tmp_path, "--output", "json", "--fail-on", "warning")
    )
    assert {feature["level"] for feature in found["features"]} == {"few"}
    report("iris", "--rows", tmp_path, "--min-rows", "50", "--fail-on", "warning", code=4)


def longer_petals(row: Row, _chance: random.Random) -> None:
    row["petal_length"] += 1.5


def test_what_a_small_sample_explains_is_no_warning(tmp_path: Path) -> None:
    """Half a thousand rows against 150: an index of 0.1 is nothing remarkable."""
    capture(tmp_path, "iris", slightly_longer, rows=500)
    found = by_name(read_json(report("iris", "--rows", tmp_path, "--output", "json")))[
        "petal_length"
    ]
    assert 0.1 < found["psi"] <= found["chance"]
    assert found["level"] == "chance"


def slightly_longer(row: Row, chance: random.Random) -> None:
    if chance.random() < 0.28:
        row["petal_length"] += 0.4


def test_regressors_have_predictions_in_ranges(tmp_path: Path) -> None:
    def heavier(row: Row, _chance: random.Random) -> None:
        row["bmi"] += 8
        row["s5"] += 0.8

    capture(tmp_path, "diabetes", heavier)
    found = read_json(report("diabetes", "--rows", tmp_path, "--output", "json"))
    predictions = found["predictions"]
    assert (predictions["name"], predictions["level"]) == ("progression", "critical")
    assert predictions["kolmogorov_smirnov"]["statistic"] > 0.3
    assert [entry["bin"] for entry in predictions["bins"]][-2:] == ["below", "above"]


def test_what_was_excluded_is_said_and_not_missed(tmp_path: Path) -> None:
    capture(tmp_path, "penguins", longer_bills, CAPTURE_EXCLUDE="sex,island")
    sample = drifting.sample_file("penguins")
    text = report("penguins", "--rows", tmp_path, "--reference", sample, "--output", "json")
    found = read_json(text)
    assert by_name(found).keys() == {
        "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"
    }  # fmt: skip
    assert "features not captured (CAPTURE_EXCLUDE): island, sex" in found["notes"]
    assert found["outliers"] is not None


def test_rows_of_another_bundle_and_truncated_lines_are_excluded(tmp_path: Path) -> None:
    capture(tmp_path, "iris")
    capture(tmp_path, "iris", longer_petals, rows=100, digest="sha256:" + "0" * 64)
    (tmp_path / "rows-x.jsonl").write_bytes(b'{"time":"2026-01-01T00:')
    found = read_json(report("iris", "--rows", tmp_path, "--output", "json"))
    assert found["rows"] == 1000
    assert by_name(found)["petal_length"]["level"] == "ok"
    assert "excluded rows of other bundles: 100" in found["notes"]
    assert "excluded truncated lines: 1" in found["notes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "no captured rows of this bundle", id="empty"),
        pytest.param('{"a": 1}\n', "rows.jsonl:1 is not a captured row", id="other JSON"),
        pytest.param("text\n", "rows.jsonl:1 is not a captured row", id="no JSON"),
        pytest.param("[]\n", "rows.jsonl:1 is not a captured row", id="a list"),
    ],
)
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(ModelctlError, match=message):
        report("iris", "--rows", path)


def test_the_bundle_of_another_model_is_refused(calm: Path) -> None:
    argv = ["drift", "report", "churn", "--bundle", str(trained.bundle("iris"))]
    result = CliRunner().invoke(cli, [*argv, "--rows", str(calm)])
    assert isinstance(result.exception, ModelctlError)
    assert "belongs to another model\n  expected: churn\n  found: iris" in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="no source"),
        pytest.param(("--rows", "/tmp", "--prometheus", "http://127.0.0.1:9"), id="two sources"),
        pytest.param(("--prometheus", "http://127.0.0.1:9"), id="no namespace"),
    ],
)
def test_one_source_has_to_be_named(arguments: tuple[str, ...]) -> None:
    assert "Usage:" in report("iris", *arguments, code=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("id,label\n1,setosa\n", "has no labels", id="no request_id"),
        pytest.param(
            "request_id,label\nrequest-0,rose\n", "not one of the model's classes", id="class"
        ),
        pytest.param("request_id,label\nrequest-0,setosa\n", "too few labels", id="few"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    capture(tmp_path, "iris", rows=50)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ModelctlError, match=message):
        report("iris", "--rows", tmp_path, "--labels", tmp_path / "labels.csv")
