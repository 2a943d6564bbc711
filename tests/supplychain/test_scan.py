"""The scan for known vulnerabilities: what is found fails, and what is not asked is no pass."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from modelctl.errors import ModelctlError
from modelctl.supply.scan import (
    NOT_SCANNED,
    VULNERABLE,
    ScanResult,
    Waiver,
    judge,
    read_waivers,
    scan,
)
from tests import standin
from tests.paths import ROOT

HASH = "a" * 64
VULNERABLE_VERSION = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "aliases": ["CVE-2026-0001"],
    "summary": "Anyone may predict",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI", "purl": "pkg:pypi/flask"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.4"}]}],
            "versions": ["3.1.3"],
        }
    ],
}
TODAY = date(2026, 11, 21)


@contextmanager
def osv(answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[str]:
    """A service that answers as OSV's; nothing to answer is an error of the server."""

    class Handler(standin.Quiet):
        def do_POST(self) -> None:
            found = answer(json.loads(self.asked()))
            self.reply(500 if found is None else 200, json.dumps(found or {}).encode())

    with standin.serving(Handler) as host:
        yield f"http://{host}/v1/query"


def knows_flask(asked: dict[str, Any]) -> dict[str, Any]:
    return {"vulns": [VULNERABLE_VERSION]} if asked["package"]["name"] == "flask" else {}


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    path = tmp_path / "serve.txt"
    path.write_text(
        f"click==8.5.1 \\\n    --hash=sha256:{HASH}\nflask==3.1.3 \\\n    --hash=sha256:{HASH}\n"
    )
    return path


def test_a_known_vulnerability_fails_and_says_what_mends_it(locked: Path) -> None:
    with osv(knows_flask) as address:
        found = scan(locked, osv_url=address)
    code, lines = judge({"serve.txt": found}, {}, TODAY)
    assert code == VULNERABLE
    assert lines == [
        "serve.txt: 2 scanned, 1 known vulnerabilities",
        "  flask 3.1.3: PYSEC-2026-1 (fixed in 3.1.4)",
    ]


def test_nothing_known_passes(locked: Path) -> None:
    with osv(lambda _: {}) as address:
        found = scan(locked, osv_url=address)
    assert judge({"serve.txt": found}, {}, TODAY) == (
        0,
        ["serve.txt: 2 scanned, 0 known vulnerabilities"],
    )


def test_a_service_that_does_not_answer_is_no_pass(locked: Path) -> None:
    with osv(lambda _: None) as address:
        found = scan(locked, osv_url=address)
    code, lines = judge({"serve.txt": found}, {}, TODAY)
    assert (code, found.scanned) == (NOT_SCANNED, 0)
    assert "*** NOT SCANNED" in lines[1]


def test_packages_without_data_are_no_pass() -> None:
    """pip-audit itself says "No known vulnerabilities found" of them."""
    unasked = ScanResult(scanned=3, unscanned={"flask": "Dependency not found on PyPI"})
    code, lines = judge({"serve.txt": unasked}, {}, TODAY)
    assert code == NOT_SCANNED
    assert lines[1] == "  *** NOT SCANNED: 1 packages: Dependency not found on PyPI ***"


def found_one() -> ScanResult:
    return ScanResult(scanned=2, known={"PYSEC-2026-1": "flask 3.1.3: PYSEC-2026-1"})


@pytest.mark.parametrize(
    ("until", "code"), [(TODAY, 0), (date(2026, 11, 20), VULNERABLE)], ids=["in time", "over"]
)
def test_a_waiver_holds_until_its_day(until: date, code: int) -> None:
    waivers = {"PYSEC-2026-1": Waiver("not reached", until)}
    assert judge({"serve.txt": found_one()}, waivers, TODAY)[0] == code


def test_a_waiver_that_nothing_needs_is_named() -> None:
    waivers = {"PYSEC-2020-9": Waiver("long ago", date(2027, 1, 1))}
    code, lines = judge({"serve.txt": ScanResult(scanned=2)}, waivers, TODAY)
    assert code == VULNERABLE
    assert "unused waiver: PYSEC-2020-9; remove it" in lines[-1]


def test_a_waiver_without_a_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text("waived:\n  CVE-1: {until: 2026-12-31}\n")
    with pytest.raises(ModelctlError, match="the waiver of CVE-1"):
        read_waivers(path)


def test_the_waivers_of_this_repository_can_be_read() -> None:
    assert isinstance(read_waivers(ROOT / "requirements/vulnerabilities.yaml"), dict)


@pytest.mark.parametrize(
    ("options", "code"), [([], NOT_SCANNED), (["--may-be-unreachable"], 0)], ids=["strict", "local"]
)
def test_the_command_says_loudly_that_nothing_was_scanned(
    locked: Path, options: list[str], code: int
) -> None:
    with osv(lambda _: None) as address:
        argv = [sys.executable, "-m", "modelctl.supply", "scan", str(locked)]
        argv += ["--osv-url", address, *options]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "NOT SCANNED" in done.stdout
    assert ("this is not a pass" in done.stderr) == bool(options)
