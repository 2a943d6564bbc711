"""What passes when it is run once more is named, what fails again fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.runner import execution
from tests.runner.execution import Report, Suite, beside, run

PYTEST = (sys.executable, "-m", "pytest")
UNSTEADY = """
from pathlib import Path

def test_unsteady():
    flag = Path(__file__).with_name("seen")
    if not flag.exists():
        flag.touch()
        raise AssertionError("the first time")
    print("10 passed: as a pipeline says")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, with a file of passing tests."""
    monkeypatch.setattr(execution, "ROOT", tmp_path)
    monkeypatch.setattr(execution, "PYTEST", PYTEST)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # None of ours is needed, and importing them all takes a second for each run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_good.py").write_text("def test_good():\n    pass\n")
    return tmp_path


def suite(*, live: bool = False) -> Suite:
    return Suite("demo", (*PYTEST, ".", "--capture=no"), live=live)


def failing(*suites: Suite) -> list[str]:
    """The names of those that failed."""
    report = Report()
    passed = run(report, *suites)
    assert passed == (not report.failed)
    assert list(report.seconds) == [suite.name for suite in suites]
    return report.failed


@pytest.mark.parametrize("live", [False, True])
def test_what_passes_when_run_again_is_named(
    live: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_late.py").write_text(UNSTEADY)
    report = Report()
    assert run(report, suite(live=live))
    assert report.unsteady == ["test_late.py::test_unsteady"]
    output = capsys.readouterr().out
    assert "the first time" in output
    assert "UNSTEADY, passed when run again: test_late.py::test_unsteady" in output


def test_what_fails_twice_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "test_bad.py").write_text("def test_bad():\n    assert False\n")
    assert failing(suite()) == ["demo"]
    assert "FAILED demo (exit code 1" in capsys.readouterr().out


def test_many_failures_are_not_run_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "".join(f"def test_bad_{i}():\n    assert False\n" for i in range(6))
    (folder / "test_bad.py").write_text(bad)
    assert failing(suite()) == ["demo"]
    assert "once more" not in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_no_accident(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_broken.py").write_text("def test_\n")
    assert failing(suite()) == ["demo"]
    assert "once more" not in capsys.readouterr().out


def test_suites_side_by_side_are_told_apart(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each runs its own failed tests again, and only those."""
    (folder / "test_late.py").write_text(UNSTEADY)
    (folder / "test_bad.py").write_text("def test_bad():\n    assert False\n")
    good = Suite("good", (*PYTEST, "test_good.py"))
    late = Suite("late", (*PYTEST, "test_late.py"))
    bad = Suite("bad", (*PYTEST, "test_bad.py"), live=True)
    assert failing(good, late, bad) == ["bad"]
    output = capsys.readouterr().out
    assert "passed good" in output
    assert "UNSTEADY, passed when run again: test_late.py::test_unsteady" in output
    assert "FAILED bad (exit code 1" in output


def test_what_was_measured_is_shown_when_all_passed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_timed.py").write_text("def test_timed():\n    print('\\n    measured: 1 s')\n")
    assert failing(Suite("timed", (*PYTEST, "test_timed.py", "--capture=no"))) == []
    assert "    measured: 1 s" in capsys.readouterr().out


def test_a_rerun_of_other_tests_proves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test whose name changes with each run is not found again, and pytest runs all others."""
    (folder / "test_named.py").write_text(
        "import os, pathlib, pytest\n\n"
        "flag = pathlib.Path(__file__).with_name('seen')\n\n"
        "@pytest.mark.parametrize('pid', [os.getpid()])\n"
        "def test_named(pid):\n"
        "    first = not flag.exists()\n"
        "    flag.touch()\n"
        "    assert not first\n"
    )
    assert failing(suite()) == ["demo"]
    assert "UNSTEADY" not in capsys.readouterr().out


def test_suites_beside_others_are_judged_like_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_bad.py").write_text("def test_bad():\n    raise AssertionError('seen')\n")
    (folder / "test_low.py").write_text(
        "import os\n\ndef test_low():\n    assert os.nice(0) == 19\n"
    )
    report = Report()
    bad = Suite("bad", (*PYTEST, "test_bad.py"))
    with beside(report, bad, Suite("low", (*PYTEST, "test_low.py"))):
        assert run(report, Suite("good", (*PYTEST, "test_good.py")))
    assert report.failed == ["bad"]
    assert set(report.seconds) == {"bad", "low", "good"}
    assert "AssertionError: seen" in capsys.readouterr().out
