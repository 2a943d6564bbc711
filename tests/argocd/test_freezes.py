"""A freeze in environments.yaml becomes a sync window that covers exactly its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import rendering, samples

FREEZES = {
    "*": {"from": "2026-11-21T09:05:37Z", "until": "2026-12-25T00:00:00Z", "reason": "holidays"},
    "churn": {"from": "2026-11-21T09:05:37Z", "until": "2999-12-25T00:00:00Z", "reason": "ever"},
    "iris": {"from": "2026-11-21T09:05:37Z", "until": "2026-11-21T09:07:00Z", "reason": "audit"},
}


def windows(values: Path, helm: str) -> list[dict[str, Any]]:
    sources = "repoURL=https://git.example/fork.git,chartRegistry=registry.example/charts"
    arguments = [*rendering.values(values), "--set", sources]
    manifests = rendering.template(helm, rendering.ARGOCD_CHART, "root", "argocd", *arguments)
    projects = {m["metadata"]["name"]: m for m in rendering.of_kind(manifests, "AppProject")}
    assert "syncWindows" not in projects["production-baseline"]["spec"]
    found: list[dict[str, Any]] = projects["production-models"]["spec"]["syncWindows"]
    return found


@pytest.mark.parametrize("helm", rendering.HELMS)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_freeze_is_a_deny_window_in_utc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helm: str, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    content = {"environments": rendering.environments(samples.ENVIRONMENTS)}
    content["environments"][-1]["freezes"] = FREEZES  # type: ignore[assignment]
    values = tmp_path / "environments.yaml"
    values.write_text(yaml.safe_dump(content))
    shared = {"kind": "deny", "schedule": "5 09 21 11 *", "timeZone": "UTC", "manualSync": False}
    # The schedule starts at the whole minute, so 37 seconds are covered twice and none is missed.
    assert windows(values, helm) == [
        {**shared, "applications": ["*"], "duration": f"{33 * 24 * 60 + 14 * 60 + 55}m"},
        {**shared, "applications": ["production-churn"], "duration": f"{366 * 24 * 60}m"},
        {**shared, "applications": ["production-iris"], "duration": "2m"},
    ]
