"""`modelctl predict --explain`: what each feature adds, at 80 columns, and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from modelctl.errors import ModelctlError
from modelctl.service.explanation import HALF, lines, parts
from modelctl.service.predict import prepare
from tests import trained
from tests.app import live
from tests.modelctl.service.test_predict import run

LINE = re.compile(r"  (.{32}) +([-+]\S+)  (.*)")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    pd.read_csv(trained.training("iris") / "sample.csv").iloc[[0, 75, 149]].to_csv(path)
    return path


def test_every_row_is_printed_with_bars_within_80_columns(rows: Path) -> None:
    service = live.shared("iris")
    code, text = run(str(service.client.base_url), rows, "--explain")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    blocks = text.strip().split("\n\n")
    sample = pd.read_csv(rows, index_col=0).drop(columns="species")
    body = {"instances": sample.to_dict("records")}
    answers = service.client.post("/explain", json=body).json()["predictions"]
    classes = service.client.get("/model/info").json()["output"]["classes"]
    assert len(blocks) == len(answers) == 3
    for number, (block, answer) in enumerate(zip(blocks, answers, strict=True), 1):
        at = classes.index(answer["prediction"])
        first, base, *bars = block.splitlines()
        share = answer["probability"][at]
        assert first == f"row {number}: probability of {answer['prediction']} = {share:.4g}"
        assert base.split()[-1] == f"{answer['explanation']['base'][at]:.4g}"
        added = {name: each[at] for name, each in answer["explanation"]["contributions"].items()}
        order = sorted(added, key=lambda name: -abs(added[name]))
        widest = abs(added[order[0]])
        for line, name in zip(bars, order, strict=True):
            found = LINE.match(line)
            assert found, line
            assert found[1].split(" = ") == [
                name,
                f"{sample.iloc[number - 1][name]:g}".ljust(32 - len(name) - 3),
            ]
            assert float(found[2]) == pytest.approx(added[name], rel=1e-3)
            left, right = found[3].split("│")
            length = HALF * abs(added[name]) / widest
            drawn = left if added[name] < 0 else right
            assert drawn.count("█") == pytest.approx(length, abs=1)
            assert (left if added[name] > 0 else right).strip() == ""


def test_as_json_it_is_the_answers_themselves(rows: Path) -> None:
    service = live.shared("iris")
    code, text = run(str(service.client.base_url), rows, "--explain", "--output", "json")
    assert code == 0
    found = json.loads(text)["predictions"]
    assert [entry["explanation"]["of"] for entry in found] == ["probability"] * 3


def test_a_model_without_explanations_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    sample = trained.training("penguins") / "sample.csv"
    with pytest.raises(ModelctlError, match=r"`modelctl package --explain`"):
        run(str(live.shared("penguins").client.base_url), sample, "--explain")


@pytest.mark.parametrize(
    ("evaluations", "max_rows", "rows"), [(14_400, 69, 3), (10, 100, 7), (200_000, 5, 1), (0, 2, 2)]
)
def test_a_request_has_no_more_rows_than_its_deadline_bears(
    tmp_path: Path, evaluations: int, max_rows: int, rows: int
) -> None:
    """Several connections wait for the same queue."""
    (tmp_path / "rows.csv").write_text("x\n" + "1\n" * 20)
    explain = {"evaluations": evaluations, "max_rows": max_rows}
    info = {"name": "a", "version": "1", "output": {}, "inputs": [{"name": "x", "dtype": "float"}]}
    client: Any = SimpleNamespace(get=lambda _path: {**info, "explain": explain})
    job = prepare(client, tmp_path / "rows.csv", 7, explain=True)
    assert (job.path, len(job.batches[0]), job.rows) == ("/explain", rows, 20)


def test_it_prints_and_writes_no_file(rows: Path, tmp_path: Path) -> None:
    code, _ = run("http://127.0.0.1:1", rows, "--explain", "--out", str(tmp_path / "out.csv"))
    assert code == 2


def explanation(of: str, base: Any, contributions: dict[str, Any]) -> dict[str, Any]:
    return {"of": of, "base": base, "contributions": contributions, "standard_error": 0.25}


ANSWERS: list[tuple[dict[str, Any], Any, list[tuple[str, float]]]] = [
    (
        {"prediction": 7.0, "explanation": explanation("prediction", 5.0, {"a": 3.0, "b": -1.0})},
        None,
        [("prediction", 7.0)],
    ),
    (
        {
            "prediction": {"mass": 7.0, "length": 2.0},
            "explanation": explanation(
                "prediction", {"mass": 5.0, "length": 1.0}, {"a": {"mass": 2.0, "length": 1.0}}
            ),
        },
        {"mass": None, "length": None},
        [("prediction, mass", 7.0), ("prediction, length", 2.0)],
    ),
    (
        {
            "prediction": {"sex": "male"},
            "explanation": explanation(
                "probability", {"sex": [0.5, 0.5]}, {"a": {"sex": [-0.25, 0.25]}}
            ),
        },
        {"sex": ["female", "male"]},
        [("probability of sex male", 0.75)],
    ),
    (
        {"prediction": 1, "explanation": explanation("score", 0.5, {"a": -0.75})},
        [-1, 1],
        [("score of 1", -0.25)],
    ),
    (
        {"prediction": "c", "explanation": explanation("decision", [1.0, 2.0], {"a": [1.0, 1.0]})},
        ["a", "b", "c"],
        [("decision of c (1 of 2)", 2.0), ("decision of c (2 of 2)", 3.0)],
    ),
]


@pytest.mark.parametrize(("answer", "classes", "expected"), ANSWERS)
def test_every_kind_of_answer_has_its_blocks(
    answer: dict[str, Any], classes: Any, expected: list[tuple[str, float]]
) -> None:
    assert [(part.name, part.total) for part in parts(answer, classes)] == expected
    text = list(lines(1, {"a": None, "b": "x" * 99}, answer, classes))
    assert max(map(len, text)) <= 80
    assert "a = missing" in "\n".join(text)
    assert "standard error at most 0.25" in "\n".join(text)


def test_many_features_end_in_one_line() -> None:
    added = {f"x{at}": float(at) for at in range(50)}
    answer = {"prediction": 1225.0, "explanation": explanation("prediction", 0.0, added)}
    text = list(lines(1, {}, answer, None))
    assert "  30 more features" in "\n".join(text)
    assert len(text) == 25
