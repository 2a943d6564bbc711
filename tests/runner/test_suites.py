"""Which suites a change asks for, beside those that always run."""

from __future__ import annotations

import pytest

from tests import run as runner
from tests.paths import ROOT
from tests.runner.execution import Report, Suite


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Suite]:
    """The suites that were run, none of them really."""
    suites: list[Suite] = []

    def note(report: Report, *more: Suite) -> bool:
        assert not report.failed
        suites.extend(more)
        return True

    monkeypatch.setattr(runner, "run", note)
    monkeypatch.setattr(runner, "sandbox_missing", lambda: "")
    monkeypatch.setattr(runner, "is_installed", lambda program: program != "rabbitmq-server")
    return suites


def test_a_change_of_something_else_leaves_the_queues_out(ran: list[Suite]) -> None:
    left = runner.optional(Report(), runner.QUEUES, ["app/front/front.py", "app/settings.py"])
    assert (left, ran) == (["queues (tests/queues)"], [])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(["README.md", "app/consume/consumer.py"], id="touched"),
        pytest.param(["tools/nats-server/go.mod"], id="a broker"),
        pytest.param(None, id="everything"),
    ],
)
def test_brokers_are_installed_before_the_queues_are_tested(
    changed: list[str] | None, ran: list[Suite]
) -> None:
    assert runner.optional(Report(), runner.QUEUES, changed) == []
    packages, nats, kafka, last = ran
    assert packages.argv[-2:] == ("packages", "rabbitmq-server")
    assert nats.argv[-2:] == ("build", "queues")
    assert kafka.argv[-1] == "kafka"
    assert last is runner.QUEUES.suite


def test_what_the_unit_tests_leave_out_is_there() -> None:
    for name in runner.FOLDERS_OF_OTHERS:
        assert (ROOT / "tests" / name).is_dir()
        assert f"--ignore=tests/{name}" in runner.UNIT.argv


@pytest.mark.parametrize("optional", [runner.CLIENTS, runner.ENGINES, runner.CACHE, runner.QUEUES])
def test_what_asks_for_a_suite_exists(optional: runner.Optional) -> None:
    assert [path for path in optional.paths if not (ROOT / path).exists()] == []
