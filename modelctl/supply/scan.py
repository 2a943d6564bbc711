"""What is known to be wrong with the locked requirements, by pip-audit.

pip-audit says "No known vulnerabilities found" of packages that it found no data for. Here that
is its own outcome, NOT SCANNED, which no caller can take for a pass.
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
class Findings:
    """Of one requirements file."""

    scanned: int = 0
    # `name version: id (mended in ...)`, by the vulnerability's id.
    known: dict[str, str] = field(default_factory=dict)
    # Package and why there is nothing about it.
    unscanned: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiver:
    """A finding that is accepted until a day, with the reason."""

    reason: str
    until: date


def scan(requirements: Path, *, osv_url: str = "") -> Findings:
    """Ask for every pinned requirement. Raises ModelctlError when pip-audit does not run."""
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
        # No answer at all, as from a service that cannot be reached.
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Findings(unscanned={requirements.name: lines[-1][:300]})


def read(report: Mapping[str, Any]) -> Findings:
    """The findings in a report of pip-audit."""
    found = Findings()
    for entry in report["dependencies"]:
        if "skip_reason" in entry:
            found.unscanned[entry["name"]] = entry["skip_reason"]
            continue
        found.scanned += 1
        for vulnerability in entry["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            found.known[vulnerability["id"]] = (
                f"{entry['name']} {entry['version']}: {vulnerability['id']} (mended in {mended})"
            )
    return found


def read_waivers(path: Path) -> dict[str, Waiver]:
    """The accepted findings. Raises ModelctlError."""
    import ruamel.yaml

    document = ruamel.yaml.YAML(typ="safe").load(path) or {}
    waivers = {}
    for name, entry in (document.get("waived") or {}).items():
        if not isinstance(entry, dict) or set(entry) != {"reason", "until"}:
            raise ModelctlError(
                f"the waiver of {name} in {path} is not complete",
                expected="`reason`, and `until` as a date",
            )
        until = entry["until"]
        waivers[name] = Waiver(
            str(entry["reason"]), until if isinstance(until, date) else date.fromisoformat(until)
        )
    return waivers


def judge(
    files: Mapping[str, Findings], waivers: Mapping[str, Waiver], today: date
) -> tuple[int, list[str]]:
    """Exit code, and what to say: everything at once."""
    lines, worst = [], 0
    for name, found in files.items():
        lines.append(f"{name}: {found.scanned} scanned, {len(found.known)} known vulnerabilities")
        for identifier, text in sorted(found.known.items()):
            waiver = waivers.get(identifier)
            if waiver and waiver.until >= today:
                lines.append(f"  waived until {waiver.until}: {text}: {waiver.reason}")
                continue
            lines.append(f"  {'waiver is over: ' if waiver else ''}{text}")
            worst = VULNERABLE
        if found.unscanned:
            lines.append(
                f"  *** NOT SCANNED: {len(found.unscanned)} packages: "
                f"{next(iter(found.unscanned.values()))} ***"
            )
            worst = worst or NOT_SCANNED
    used = {identifier for found in files.values() for identifier in found.known}
    # Where nothing could be asked, a waiver cannot be seen to be of no use.
    if not any(found.unscanned for found in files.values()):
        for identifier in sorted(set(waivers) - used):
            lines.append(f"  the waiver of {identifier} is of no use any more: take it out")
            worst = worst or VULNERABLE
    return worst, lines


def main(paths: Sequence[Path], waivers: Path, *, osv_url: str = "") -> tuple[int, list[str]]:
    """Scan files; exit code and lines."""
    files = {path.name: scan(path, osv_url=osv_url) for path in paths}
    return judge(files, read_waivers(waivers), date.today())
