"""`modelctl smoke`: a running service is asked what its bundle recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.model.bundle import verify
from modelctl.errors import RefusedError
from modelctl.quality import smoke
from tests import standin, trained
from tests.app import live
from tests.modelctl.conftest import run


@contextmanager
def answering(digest: str, prediction: Any) -> Iterator[str]:
    """A service that says it has that bundle, and predicts the same whatever it is asked."""

    class Handler(standin.Quiet):
        def do_GET(self) -> None:
            self.reply(200, json.dumps({"digest": digest}).encode())

        def do_POST(self) -> None:
            self.asked()
            self.reply(200, json.dumps({"prediction": prediction}).encode())

    with standin.serving(Handler) as host:
        yield f"http://{host}"


@pytest.mark.parametrize("name", trained.NAMES)
def test_a_service_predicts_what_its_bundle_says(name: str) -> None:
    bundle = verify(trained.bundle(name))
    output = run(
        "smoke", f"http://127.0.0.1:{live.shared(name).port}", "--bundle", str(bundle.path)
    )
    rows = len(smoke.sample_rows(bundle)[0])
    assert f"{rows} predictions match the recorded ones, {bundle.digest}" in output


def test_another_bundle_is_refused_by_its_digest(tmp_path: Path) -> None:
    other = tmp_path / "bundle"
    shutil.copytree(trained.bundle("iris", "sklearn"), other)
    with pytest.raises(RefusedError) as refused:
        run("smoke", f"http://127.0.0.1:{live.shared('iris').port}", "--bundle", str(other))
    served = verify(trained.bundle("iris")).digest
    assert refused.value.found == f"expected bundle {verify(other).digest}, found {served}"


def test_other_predictions_are_refused_and_named() -> None:
    bundle = verify(trained.bundle("iris"))
    recorded = smoke.sample_rows(bundle)[1]
    with (
        answering(bundle.digest, "setosa") as url,
        pytest.raises(RefusedError) as refused,
    ):
        run("smoke", url, "--bundle", str(bundle.path))
    first = next(number for number, value in enumerate(recorded) if value != "setosa")
    wrong = sum(value != "setosa" for value in recorded)
    assert f"row {first}: expected '{recorded[first]}', found 'setosa'" in refused.value.found
    assert refused.value.found.endswith(f"and {wrong - smoke.SHOWN_ROWS} more rows")


@pytest.mark.parametrize(
    ("recorded", "found", "expected"),
    [
        (1.0, 1.0000009, True),
        (1.0, 1.00001, False),
        (200.0, 200.0001, True),
        ("a", "a", True),
        ("a", "b", False),
        (1, 1, True),
        (1, None, False),
    ],
)
def test_numbers_may_differ_by_what_engines_differ_by(
    recorded: Any, found: Any, expected: bool
) -> None:
    assert smoke.is_same(recorded, found) is expected
