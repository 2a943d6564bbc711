"""`modelctl replay`: captured rows, asked again of a real engine and a real service."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelctl.delivery import agreement
from modelctl.delivery.replay import Answer, Pair, Pairs
from modelctl.errors import ModelctlError, RefusedError
from modelctl.service.client import Client
from tests import trained
from tests.app import live
from tests.modelctl.conftest import run
from tests.modelctl.drift import drifting

Row = dict[str, Any]
ROWS = 400


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    """Rows of iris, captured by the service's own code."""
    folder = tmp_path / "captured"
    drifting.capture(folder, "iris", rows=ROWS)
    return folder


def rewrite(folder: Path, change: Callable[[Row], None], target: Path | None = None) -> None:
    """Change every captured row, in place or in another folder."""
    for path in folder.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            change(row)
        out = (target or folder) / path.name
        out.parent.mkdir(exist_ok=True)
        out.write_text("".join(json.dumps(row) + "\n" for row in rows))


def replay(folder: Path, *more: str, candidate: str = "") -> Row:
    words = ("--candidate", candidate or str(trained.bundle("iris")))
    found: Row = json.loads(
        run("replay", "--capture", str(folder), *words, "--output", "json", *more)
    )
    return found


def test_the_version_that_answered_agrees_with_itself(captured: Path) -> None:
    limits = ("--max-changed", "0", "--max-psi", "0", "--max-refused", "0")
    found = replay(captured, *limits)
    assert (found["rows"], found["changed"], found["refused"]) == (ROWS, 0, 0)
    assert found["psi"] == {"": 0.0}
    assert found["digests"] == [drifting.bundle("iris").digest]


def test_a_running_service_is_asked_as_well(captured: Path) -> None:
    found = replay(captured, candidate=f"http://127.0.0.1:{live.shared('iris').port}")
    assert (found["rows"], found["changed"]) == (ROWS, 0)


def test_numbers_are_compared_within_the_tolerance(tmp_path: Path) -> None:
    folder = tmp_path / "captured"
    drifting.capture(folder, "diabetes", rows=ROWS)
    bundle = str(trained.bundle("diabetes"))
    assert replay(folder, candidate=bundle)["changed"] == 0

    def shift(row: Row) -> None:
        row["prediction"] += 3.0

    rewrite(folder, shift)
    found = replay(folder, candidate=bundle)
    assert found["changed"] == ROWS
    assert found["max_difference"] == pytest.approx(3)
    assert found["mean_difference"] == pytest.approx(3)
    assert replay(folder, "--tolerance", "1", candidate=bundle)["changed"] == 0


def test_changed_labels_exceed_a_limit_and_their_slice_is_named(captured: Path) -> None:
    def flip(row: Row) -> None:
        if row["features"]["petal_width"] <= 0.3:
            row["prediction"] = "other"

    rewrite(captured, flip)
    found = replay(captured)
    expected = sum(path.read_text().count('"other"') for path in captured.glob("*.jsonl"))
    assert found["changed"] == expected > 0
    worst = {each["feature"]: each for each in found["slices"]}["petal_width"]
    assert worst["changed"] > 0.9
    assert ["other", "setosa", expected] in found["transitions"]
    words = ("replay", "--capture", str(captured), "--candidate", str(trained.bundle("iris")))
    with pytest.raises(RefusedError, match=r"changed answers: expected at most 2.00%, found"):
        run(*words, "--max-changed", "0.02")
    with pytest.raises(RefusedError, match=r"PSI of the predictions: expected at most 0.100"):
        run(*words, "--max-psi", "0.1")
    assert "slices that change most" in run(*words)


def test_rows_that_the_candidate_refuses_are_counted_with_the_reason(captured: Path) -> None:
    def spoil(row: Row) -> None:
        if row["row"] == 3:
            row["features"]["petal_width"] = "wide"
        if row["row"] == 4:
            row["features"]["colour"] = "blue"

    rewrite(captured, spoil)
    for candidate in ("", f"http://127.0.0.1:{live.shared('iris').port}"):
        found = replay(captured, candidate=candidate)
        assert found["refused"] == 2 * ROWS // drifting.REQUEST_ROWS
        assert found["changed"] == 0
        assert any("colour" in reason for reason, _ in found["refusals"])
        with pytest.raises(RefusedError, match="rows that the candidate refuses: expected at most"):
            replay(captured, "--max-refused", "0.01", candidate=candidate)


LIMITS = ("--max-changed", "0.02", "--max-psi", "0.1")


@pytest.mark.parametrize("more", [(), LIMITS, ("--max-refused", "1")], ids=["", "limits", "all"])
def test_a_candidate_that_answers_nothing_is_refused(captured: Path, more: tuple[str, ...]) -> None:
    rewrite(captured, lambda row: row["features"].update(colour="blue"))
    with pytest.raises(RefusedError, match="answered rows: expected at least 1, found 0"):
        replay(captured, *more)


@pytest.mark.parametrize("lacking", ["features", "prediction"])
def test_rows_that_cannot_be_asked_count_beside_a_limit(captured: Path, lacking: str) -> None:
    def spoil(row: Row) -> None:
        if row["row"]:
            row[lacking] = {} if lacking == "features" else None

    rewrite(captured, spoil)
    assert replay(captured)["left_out_ratio"] > 0.9
    with pytest.raises(RefusedError, match=r"rows that are left out: expected at most 0.00%"):
        replay(captured, *LIMITS)
    replay(captured, *LIMITS, "--max-left-out", "1")


@pytest.mark.parametrize("limit", ["--max-changed", "--max-psi", "--max-refused", "--tolerance"])
@pytest.mark.parametrize("value", ["nan", "inf", "-nan"])
def test_a_limit_is_a_finite_number(captured: Path, limit: str, value: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        replay(captured, f"{limit}={value}")
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "change", [{"row": "x"}, {"row": True}, {"features": None}, {"features": [1]}], ids=str
)
def test_what_is_no_captured_row_is_named(captured: Path, change: Row) -> None:
    rewrite(captured, lambda row: row.update(change))
    with pytest.raises(ModelctlError, match=r"\.jsonl:1 is not a captured row"):
        replay(captured)


def test_a_service_is_asked_by_batches_that_it_takes(
    captured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refused row costs the requests of its halves, not one for each row."""
    sent: list[int] = []
    post = Client.post

    def counted(client: Client, path: str, body: Row) -> Any:
        sent.append(len(body["instances"]))
        return post(client, path, body)

    monkeypatch.setattr(Client, "post", counted)
    url = f"http://127.0.0.1:{live.shared('iris').port}"
    assert replay(captured, candidate=url)["rows"] == ROWS
    assert sent == [100] * (ROWS // 100)


def test_an_excluded_feature_cannot_be_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "captured"
    drifting.capture(folder, "iris", rows=100, CAPTURE_EXCLUDE="petal_width")
    with pytest.raises(ModelctlError, match="no captured row can be asked again") as caught:
        replay(folder)
    assert "petal_width" in caught.value.found


def test_a_mirror_is_joined_by_request_id_and_row(captured: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"

    def answer(row: Row) -> None:
        row["digest"] = "sha256:" + "0" * 64
        if row["row"] == 0:
            row["prediction"] = "other"
        if row["row"] == 1:
            row["request_id"] = "elsewhere-" + row["request_id"]

    rewrite(captured, answer, shadow)
    words = ("replay", "--capture", str(captured), "--against", str(shadow))
    found = json.loads(run(*words, "--output", "json"))
    requests = ROWS // drifting.REQUEST_ROWS
    assert found["rows"] == ROWS - requests
    assert found["changed"] == requests
    assert found["skipped"] == {"in one capture only": 2 * requests}
    with pytest.raises(RefusedError, match="changed answers"):
        run(*words, "--max-changed", "0.001")


def test_reused_request_ids_and_other_rows_are_never_paired(captured: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"

    def same_id(row: Row) -> None:
        if row["request_id"] in ("request-0", "request-1"):
            row["request_id"] = "request-0"

    def another_flower(row: Row) -> None:
        if row["request_id"] == "request-2":
            row["features"]["petal_width"] += 1

    rewrite(captured, same_id, shadow)
    rewrite(shadow, another_flower)
    found = json.loads(
        run("replay", "--capture", str(captured), "--against", str(shadow), "--output", "json")
    )
    assert found["rows"] == ROWS - 3 * drifting.REQUEST_ROWS
    assert found["skipped"]["of a request id that comes twice"] == drifting.REQUEST_ROWS
    assert found["skipped"]["of the same request id and other features"] == drifting.REQUEST_ROWS


def test_captures_without_a_common_row_say_what_a_mirror_needs(
    captured: Path, tmp_path: Path
) -> None:
    shadow = tmp_path / "shadow"

    def generated(row: Row) -> None:
        row["request_id"] = f"generated-{row['request_id']}"

    rewrite(captured, generated, shadow)
    with pytest.raises(ModelctlError, match="no row is in both captures") as caught:
        run("replay", "--capture", str(captured), "--against", str(shadow))
    assert "x-request-id" in caught.value.expected


predictions = st.one_of(
    st.sampled_from(["a", "b", 1, 0, True, False]),
    st.floats(-1e6, 1e6),
    st.lists(st.floats(-5, 5), min_size=2, max_size=2),
    st.fixed_dictionaries({"x": st.sampled_from(["a", "b"]), "y": st.floats(-5, 5)}),
)
values = st.one_of(st.none(), st.integers(-5, 5), st.floats(-9, 9), st.sampled_from(["p", "q"]))
pairs = st.lists(
    st.builds(
        lambda number, feature, before, after: Pair(
            (str(number), 0), {"f": feature}, before, Answer(after)
        ),
        st.integers(0, 99),
        values,
        predictions,
        predictions,
    ),
    min_size=1,
    max_size=20,
)


# Each example compares twice: on a busy machine no time limit says anything.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pairs)
def test_any_two_answers_can_be_compared(sample: list[Pair]) -> None:
    found = agreement.compare(Pairs(sample), tolerance=0.0, min_slice=1)
    same = sum(json.dumps(pair.before) == json.dumps(pair.after.prediction) for pair in sample)
    # 1 and 1.0, or 0.0 and -0.0, are the same answer in other words.
    assert found.changed <= len(sample) - same
    assert all(index >= -1e-12 and math.isfinite(index) for index in found.psi.values())
    json.dumps(found.as_dict(), allow_nan=False)
    itself = [Pair(pair.key, pair.features, pair.before, Answer(pair.before)) for pair in sample]
    again = agreement.compare(Pairs(itself), tolerance=0.0, min_slice=1)
    assert again.changed == 0
    assert again.max_psi == pytest.approx(0)


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 100))
def test_the_worst_slice_has_the_largest_share(changed: int, rest: int) -> None:
    sample = [
        Pair((str(at), 0), {"group": "bad"}, "a", Answer("b" if at < changed else "a"))
        for at in range(100)
    ]
    sample += [Pair((f"g{at}", 0), {"group": "good"}, "a", Answer("a")) for at in range(rest)]
    found = agreement.compare(Pairs(sample), tolerance=0.0, min_slice=50)
    assert found.changed_ratio == pytest.approx(changed / (100 + rest))
    if changed:
        assert (found.slices[0].value, found.slices[0].changed) == ("bad", changed / 100)
    assert np.isclose(found.max_psi > 0, changed > 0)
