"""Scan locked requirements for known vulnerabilities with pip-audit.

pip-audit reports "No known vulnerabilities found" for packages without data. Here that is an
outcome of its own, NOT SCANNED, which is never a pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VULNERABLE, NOT_SCANNED = 3, 4
TIMEOUT_SECONDS = 900


@dataclass
class ScanResult:
    """The result for one requirements file."""

    scanned: int = 0
    # `name version: id (fixed in ...)` by vulnerability id.
    known: dict[str, str] = field(default_factory=dict)
    # The reason by package.
    unscanned: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiver:
    """A vulnerability that is accepted until a date, with the reason."""

    reason: str
    until: date


def scan(requirements: Path, *, osv_url: str = "") -> ScanResult:
    """Scan every pinned requirement with pip-audit."""
    argv = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(requirements)]
    argv += ["--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json"]
    if osv_url:
        argv += ["--vulnerability-service", "osv", "--osv-url", osv_url]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    try:
        return read(json.loads(done.stdout))
    except ValueError:
        # No report, for example because the service is not reachable.
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return ScanResult(unscanned={requirements.name: lines[-1][:300]})


def read(report: Mapping[str, Any]) -> ScanResult:
    """The result in a report of pip-audit."""
    result = ScanResult()
    for entry in report["dependencies"]:
        if "skip_reason" in entry:
            result.unscanned[entry["name"]] = entry["skip_reason"]
            continue
        result.scanned += 1
        for vulnerability in entry["vulns"]:
            fixed_in = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            result.known[vulnerability["id"]] = (
                f"{entry['name']} {entry['version']}: {vulnerability['id']} (fixed in {fixed_in})"
            )
    return result


def read_waivers(path: Path) -> dict[str, Waiver]:
    """The waivers by vulnerability id. Raises ModelctlError."""
    import ruamel.yaml

    document = ruamel.yaml.YAML(typ="safe").load(path) or {}
    waivers = {}
    for name, entry in (document.get("waived") or {}).items():
        if not isinstance(entry, dict) or set(entry) != {"reason", "until"}:
            raise ModelctlError(
                f"the waiver of {name} in {path} is not valid",
                expected="exactly `reason`, and `until` as a date",
            )
        until = entry["until"]
        waivers[name] = Waiver(
            str(entry["reason"]), until if isinstance(until, date) else date.fromisoformat(until)
        )
    return waivers


def judge(
    files: Mapping[str, ScanResult], waivers: Mapping[str, Waiver], today: date
) -> tuple[int, list[str]]:
    """The exit code, and the report of all files."""
    lines, worst = [], 0
    for name, result in files.items():
        lines.append(f"{name}: {result.scanned} scanned, {len(result.known)} known vulnerabilities")
        for identifier, text in sorted(result.known.items()):
            waiver = waivers.get(identifier)
            if waiver and waiver.until >= today:
                lines.append(f"  waived until {waiver.until}: {text}: {waiver.reason}")
                continue
            lines.append(f"  {'waiver expired: ' if waiver else ''}{text}")
            worst = VULNERABLE
        if result.unscanned:
            lines.append(
                f"  *** NOT SCANNED: {len(result.unscanned)} packages: "
                f"{next(iter(result.unscanned.values()))} ***"
            )
            worst = worst or NOT_SCANNED
    used = {identifier for result in files.values() for identifier in result.known}
    # Without data for every package, a waiver may only look unused.
    if not any(result.unscanned for result in files.values()):
        for identifier in sorted(set(waivers) - used):
            lines.append(f"  unused waiver: {identifier}; remove it")
            worst = worst or VULNERABLE
    return worst, lines


def main(paths: Sequence[Path], waivers: Path, *, osv_url: str = "") -> tuple[int, list[str]]:
    """Scan the files; return the exit code and the report."""
    files = {path.name: scan(path, osv_url=osv_url) for path in paths}
    return judge(files, read_waivers(waivers), date.today())
