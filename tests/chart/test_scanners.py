"""What checkov and kube-score find in the chart's examples is nothing but what we waive by name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests import rendering
from tests.chart import goldens
from tests.paths import ROOT

CHECKOV = ROOT / ".tools" / "checkov" / "bin" / "checkov"
WAIVERS = yaml.safe_load((Path(__file__).parent / "waivers.yaml").read_text(encoding="utf-8"))
# Of these the scanners know something; the examples of custom resources hold the same two.
EXAMPLES = ("minimal", "production", "http-route", "secrets-and-sidecars", "batch", "training")

Findings = set[tuple[str, str]]


def waived(scanner: str) -> Findings:
    """Kind of object and check of every waiver."""
    return {(kind, check) for kind, checks in WAIVERS[scanner].items() for check in checks}


def rendered() -> list[Path]:
    """The rendered examples."""
    return [goldens.GOLDEN / f"{name}.yaml" for name in EXAMPLES]


def checkov(files: list[Path], home: Path) -> list[dict[str, Any]]:
    """Failed checks; offline, because checkov asks its maker for explanations by default."""
    assert CHECKOV.exists(), "checkov is missing: run `make checkov`"
    named = [part for file in files for part in ("--file", str(file))]
    done = subprocess.run(
        [str(CHECKOV), "--framework", "kubernetes", "--output", "json", "--skip-download", *named],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    # 0: nothing found, 1: something found; all else is trouble.
    assert done.returncode in (0, 1), done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert answer["summary"]["passed"] > 50
    failed: list[dict[str, Any]] = answer["results"]["failed_checks"]
    return failed


def test_checkov_finds_nothing_but_what_is_waived(tmp_path: Path) -> None:
    found = {
        (finding["resource"].split(".")[0], finding["check_id"])
        for finding in checkov(rendered(), tmp_path)
    }
    assert found == waived("checkov")


def test_default_render_fails_one_check_of_checkov_at_most(tmp_path: Path) -> None:
    """The peers' default renders fail 6 to 16; the CPU limit is ours, on purpose."""
    minimal = yaml.safe_load_all(rendered()[0].read_text(encoding="utf-8"))
    release = [manifest for manifest in minimal if "test" not in manifest["metadata"]["name"]]
    file = tmp_path / "release.yaml"
    file.write_text(yaml.safe_dump_all(release), encoding="utf-8")
    assert [finding["check_id"] for finding in checkov([file], tmp_path)] == ["CKV_K8S_11"]


def kube_score(file: Path) -> list[dict[str, Any]]:
    """Scored objects of one example; examples share their names, so each is scored alone."""
    arguments = ("--kubernetes-version", "v1.36", "--output-format", "json")
    result = rendering.run(rendering.tool("kube-score"), "score", file, *arguments)
    scored: list[dict[str, Any]] = json.loads(result.stdout)
    assert scored
    return scored


def test_kube_score_finds_nothing_but_what_is_waived() -> None:
    found = {
        (scored["object_name"].split("/")[0], check["check"]["id"])
        for file in rendered()
        for scored in kube_score(file)
        for check in scored["checks"]
        if check["grade"] < 10 and not check["skipped"]
    }
    assert found == waived("kube-score")


def test_every_waiver_has_a_reason() -> None:
    reasons = [
        reason
        for kinds in WAIVERS.values()
        for checks in kinds.values()
        for reason in checks.values()
    ]
    assert all(len(reason) > 20 for reason in reasons)
