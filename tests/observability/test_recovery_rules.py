"""The alerts on copies and drills, judged by promtool: too old, missing, fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.observability import rules
from tests.observability.test_alerts import FIRING, promtool
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / "deploy/monitoring/recovery-rules.yaml"
GROUPS = yaml.safe_load(FILE.read_text(encoding="utf-8"))["spec"]["groups"]
HOUR, DAY = 1, 24
BACKUP, DRILL = "last-backup", "last-drill"


def test_rules_are_what_prometheus_can_read(tmp_path: Path) -> None:
    file = rules.write(tmp_path / "rules.yaml", {"groups": GROUPS})
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert checked.code == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("created", "at", "firing"),
    [
        # Created at zero, or at that hour; hours of the evaluation.
        ({BACKUP: 0, DRILL: 0}, 25 * HOUR, []),
        ({BACKUP: 0, DRILL: 0}, 28 * HOUR, ["BackupTooOld"]),
        ({BACKUP: 27, DRILL: 0}, 30 * HOUR, []),
        ({BACKUP: 96 * DAY, DRILL: 0}, 96 * DAY, ["DrillTooOld"]),
        ({DRILL: 0}, 1 * HOUR, ["BackupTooOld"]),
        ({BACKUP: 0}, 1 * HOUR, ["DrillTooOld"]),
        ({}, 1 * HOUR, ["BackupTooOld", "DrillTooOld"]),
        # A ConfigMap of that name elsewhere, or of another name, is no record.
        ({"other": 0, DRILL: 0}, 1 * HOUR, ["BackupTooOld"]),
    ],
)
def test_alert_fires_when_a_record_is_too_old_or_missing(
    created: dict[str, int], at: int, firing: list[str], tmp_path: Path
) -> None:
    rules.write(tmp_path / "rules.yaml", {"groups": GROUPS})
    series = 'kube_configmap_created{{namespace="argocd",configmap="{}"}}'
    test = {
        "interval": "1h",
        "input_series": [
            {"series": series.format(name), "values": f"{hour * 3600}+0x{at}"}
            for name, hour in created.items()
        ],
        "promql_expr_test": [
            {
                "expr": FIRING,
                "eval_time": f"{at}h",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}",severity="warning"}}', "value": 1}
                    for name in firing
                ],
            }
        ],
    }
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1h", "tests": [test]}
    result = promtool("test", "rules", rules.write(tmp_path / "tests.yaml", content))
    assert result.code == 0, result.stdout + result.stderr
