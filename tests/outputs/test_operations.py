"""Drift, smoke test, scoring of files and the page to try it, for answers of several parts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.model.bundle import verify
from modelctl.cli import cli
from modelctl.drift.findings import Thresholds
from modelctl.drift.prometheus import Counts
from modelctl.drift.report import Subject, from_prometheus
from tests.app.conftest import start as start  # the fixture, under its own name
from tests.outputs.answers import expected, flat, is_close
from tests.outputs.kinds import KINDS
from tests.outputs.packaged import BUNDLE, NAME, package_kind

# One of each shape of an answer.
SHAPES = (
    *("forest, two questions", "several boosted", "labels by ridge", "linear support vectors"),
    *("isolation forest", "gaussian mixture", "PCA"),
)


class Live:
    """A started service that captures every row it is asked about."""

    def __init__(self, name: str, folder: Path, start: Any) -> None:
        self.kind = KINDS[name]
        self.model, self.features, _ = package_kind(self.kind, folder)
        self.bundle = folder / BUNDLE
        self.captured = folder / "captured"
        self.captured.mkdir()
        self.service = start(self.bundle, CAPTURE_RATIO="1", CAPTURE_DIR=str(self.captured))
        output = verify(self.bundle).manifest["output"]
        self.output = output
        self.targets = [target["name"] for target in output.get("targets", [])]
        self.answer = self.kind.methods[0]

    @property
    def url(self) -> str:
        return str(self.service.client.base_url)

    def ask(self, rows: Any) -> None:
        for at in range(0, len(rows), 50):
            body = {"instances": rows[at : at + 50].to_numpy().tolist()}
            assert self.service.client.post("/predict", json=body).status_code == 200


@pytest.fixture(params=SHAPES)
def live(request: pytest.FixtureRequest, tmp_path: Path, start: Any) -> Live:
    """Each shape of an answer, served."""
    return Live(request.param, tmp_path, start)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.stdout


def test_a_report_from_captured_rows_has_every_part(live: Live, tmp_path: Path) -> None:
    live.ask(live.features)
    assert live.service.terminate() == 0
    arguments = ("report", NAME, "--bundle", live.bundle, "--rows", live.captured)
    page = tmp_path / "page.html"
    text = run("drift", *arguments, "--output", "json", "--min-rows", 10, "--html", page)
    found = json.loads(text)
    answers = expected(live.model, live.features, live.answer, live.targets)
    count = len(flat(answers[0])) if live.targets or live.answer == "transform" else 1
    assert len(found["targets"]) == count
    assert (found["predictions"] is None) is (count > 1)
    if live.targets:
        assert [one["name"] for one in found["targets"]] == live.targets
    for one in found["targets"]:
        # The sample itself: nothing has drifted.
        assert one["rows"] == len(live.features)
        assert one["psi"] == pytest.approx(0, abs=1e-3)
    for at, one in enumerate(found["targets"]):
        values = [flat(answer)[at] for answer in answers]
        if isinstance(values[0], str):
            live_shares = {entry["bin"]: entry["live"] for entry in one["bins"]}
            right = {value: values.count(value) / len(values) for value in set(values)}
            assert {key: share for key, share in live_shares.items() if share} == pytest.approx(
                right
            )
    html = page.read_text()
    assert all(f"predictions: {one['name']}" in html for one in found["targets"])


def test_counters_give_the_same_report_as_rows(live: Live) -> None:
    half = live.features.sort_values(live.features.columns[0]).head(len(live.features) // 2)
    live.ask(half)
    counts: dict[str, float] = {}
    for line in live.service.client.get("/metrics").text.splitlines():
        if line.startswith("ml_predictions_total{"):
            label = line.split('prediction="')[1].split('"')[0]
            counts[label] = float(line.rsplit(" ", 1)[1])
    assert live.service.terminate() == 0
    arguments = ("report", NAME, "--bundle", live.bundle, "--rows", live.captured)
    by_rows = json.loads(run("drift", *arguments, "--output", "json", "--min-rows", 10))
    subject = Subject.of(verify(live.bundle), NAME)

    class Answering:
        """Prometheus, with what the service counted."""

        def counts(self, *_: Any) -> Counts:
            return Counts({}, counts, "release", (subject.bundle.digest,))

    report = from_prometheus(subject, Answering(), Thresholds(rows=10), namespace="ns")  # type: ignore[arg-type]
    by_counters = report.as_dict()
    psi = {one["name"]: one["psi"] for one in by_rows["targets"]}
    assert {one["name"]: one["psi"] for one in by_counters["targets"]} == pytest.approx(psi)
    if live.answer == "predict" and live.output["kind"] == "regressor":
        assert max(psi.values()) > 0.05


def test_the_smoke_test_compares_every_part(live: Live) -> None:
    assert "20" in run("smoke", live.url, "--bundle", live.bundle)


def test_a_file_is_scored_with_a_column_for_every_number(live: Live, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    run("predict", live.url, "--file", tmp_path / "sample.csv", "--out", out)
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(live.features)
    rights = [
        expected(live.model, live.features, method, live.targets) for method in live.kind.methods
    ]
    for at, row in enumerate(rows):
        right = [value for method in rights for value in flat(method[at])]
        found = list(row.values())
        assert len(found) == len(right), list(row)
        for one, text in zip(right, found, strict=True):
            assert is_close(one, type(one)(text)), (one, text)
    if live.targets:
        assert list(rows[0])[: len(live.targets)] == [f"prediction_{t}" for t in live.targets]


@pytest.mark.parametrize(("excluded", "is_kept"), [("", True), ("alcohol", False)])
def test_a_vector_is_not_captured_where_a_feature_is_excluded(
    tmp_path: Path, start: Any, excluded: str, *, is_kept: bool
) -> None:
    """A scaled number is the number: what is excluded must not come back in the vector."""
    _, features, _ = package_kind(KINDS["scaler"], tmp_path)
    folder = tmp_path / "captured"
    folder.mkdir()
    environ = {"CAPTURE_RATIO": "1", "CAPTURE_DIR": str(folder), "CAPTURE_EXCLUDE": excluded}
    service = start(tmp_path / BUNDLE, **environ)
    body = {"instances": features.head(3).to_numpy().tolist()}
    assert service.client.post("/predict", json=body).status_code == 200
    assert service.terminate() == 0
    texts = [path.read_text() for path in folder.glob("*.jsonl")]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    assert len(rows) == 3
    assert all((row["prediction"] is not None) is is_kept for row in rows)
    assert all(("alcohol" in row["features"]) is is_kept for row in rows)
    arguments = ("report", NAME, "--bundle", tmp_path / BUNDLE, "--rows", folder)
    found = json.loads(run("drift", *arguments, "--output", "json"))
    assert {one["rows"] for one in found["targets"]} == {3.0 if is_kept else 0.0}
