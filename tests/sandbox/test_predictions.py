"""The check that a release answers as git and packaging say, against a small HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.addresses import Address
from sandbox.bundles import Bundle
from sandbox.environments import Release
from sandbox.predictions import CheckedRelease, check, compare, is_same_prediction, table
from tests import standin

DIGEST = "sha256:" + "a" * 64
RELEASE = Release("dev", "ml-dev", "iris", "1.0.0", DIGEST, "r/iris:1@sha256:2")


class Service(standin.Quiet):
    """Answers like the model's service; `answers` maps a path to status and document."""

    answers: dict[str, tuple[int, Any]]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body == {"features": [5.1, 3.5]}
        self._answer()

    def _answer(self) -> None:
        status, document = self.answers[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


@pytest.fixture
def service() -> Iterator[str]:
    Service.answers = {
        "/model/info": (200, {"digest": DIGEST}),
        "/predict": (200, {"prediction": "setosa"}),
    }
    with standin.serving(Service) as host:
        yield f"http://{host}"


def ask(url: str, expected: Any = "setosa") -> tuple[bool, str]:
    answer = compare(RELEASE, url, json.dumps({"features": [5.1, 3.5]}), expected)
    return answer.ready, answer.state


def test_a_release_that_answers_as_told_is_checked(service: str, tmp_path: Path) -> None:
    sample = {"rows": [[5.1, 3.5], [1, 2]], "predictions": ["setosa", "virginica"]}
    (tmp_path / "sample.json").write_text(json.dumps(sample))
    bundle = Bundle(tmp_path, "iris", "1.0.0", "onnx", DIGEST)
    port = int(service.rpartition(":")[2])
    checked = check(RELEASE, Address(port, "service:ml-dev/iris:80"), bundle)
    assert checked.prediction == '"setosa"'
    assert checked.curl == (
        f"curl -s {service}/predict -H 'Content-Type: application/json' \\\n"
        """  -d '{"features": [5.1, 3.5]}'"""
    )


def test_an_earlier_version_is_asked_who_it_is_only(service: str, tmp_path: Path) -> None:
    newer = Bundle(tmp_path, "iris", "2.0.0", "onnx", "sha256:" + "b" * 64)
    address = Address(int(service.rpartition(":")[2]), "service:ml-dev/iris:80")
    Service.answers["/predict"] = (500, {})
    checked = check(RELEASE, address, newer)
    assert checked == CheckedRelease(RELEASE, service)
    assert table([checked]).endswith("(earlier version)")


def test_another_digest_is_not_what_git_says(service: str) -> None:
    Service.answers["/model/info"] = (200, {"digest": "sha256:other"})
    assert ask(service) == (False, f"serves sha256:other, git has {DIGEST}")


def test_another_prediction_is_not_what_packaging_recorded(service: str) -> None:
    assert ask(service, "virginica") == (
        False,
        "predicts 'setosa', packaging recorded 'virginica'",
    )


def test_a_refused_request_shows_status_and_reason(service: str) -> None:
    Service.answers["/predict"] = (422, {"title": "wrong"})
    assert ask(service) == (False, f'{service}/predict: status 422 {{"title": "wrong"}}')


def test_nobody_listening_is_not_ready() -> None:
    ready, state = ask("http://127.0.0.1:9")
    assert not ready
    assert "status 0 [Errno 111] Connection refused" in state


@pytest.mark.parametrize(
    ("expected", "found", "equal"),
    [
        ("setosa", "setosa", True),
        ("setosa", "virginica", False),
        (1.0, 1.0000000001, True),
        (1.0, 1.1, False),
        (1e9, 1e9 + 1, True),
        (1.0, "1.0", False),
        (True, True, True),
        (2, 3, False),
    ],
)
def test_same(expected: Any, found: Any, equal: bool) -> None:
    assert is_same_prediction(expected, found) is equal


def test_table_is_aligned_within_100_columns() -> None:
    longer = Release("production", "ml-production", "penguins", "10.20.30", DIGEST, "r")
    rows = [
        CheckedRelease(RELEASE, "http://127.0.0.1:18081", "{}", '"setosa"'),
        CheckedRelease(longer, "http://127.0.0.1:18086", "{}", '"Adelie"'),
    ]
    lines = table(rows).splitlines()
    assert lines == [
        "RELEASE              MODEL              BUNDLE        ADDRESS                 PREDICTION",
        'dev-iris             iris 1.0.0         aaaaaaaaaaaa  http://127.0.0.1:18081  "setosa"',
        'production-penguins  penguins 10.20.30  aaaaaaaaaaaa  http://127.0.0.1:18086  "Adelie"',
    ]
    assert max(map(len, lines)) <= 100
