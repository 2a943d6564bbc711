"""Recurring windows: the chart renders them, and Argo CD's own code decides as modelctl does."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import ValidationError

from modelctl.repository.windows import Window, closing
from tests import rendering, samples

SOURCES = "repoURL=https://git.example/fork.git,chartRegistry=registry.example/charts"
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
MONTHS, DAYS = ("JAN", "mar", "Oct", "NOV"), ("SUN", "mon", "Fri", "SAT")
CASES = 4000


def project(tmp_path: Path, helm: str, windows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sync windows of production's project, as the chart renders them."""
    content = {"environments": rendering.environments(samples.ENVIRONMENTS)}
    content["environments"][-1]["windows"] = windows  # type: ignore[assignment]
    values = tmp_path / "environments.yaml"
    values.write_text(yaml.safe_dump(content))
    arguments = [*rendering.values(values), "--set", SOURCES]
    manifests = rendering.template(helm, rendering.ARGOCD_CHART, "root", "argocd", *arguments)
    projects = {m["metadata"]["name"]: m for m in rendering.of_kind(manifests, "AppProject")}
    assert "syncWindows" not in projects["production-baseline"]["spec"]
    rendered: list[dict[str, Any]] = projects["production-models"]["spec"]["syncWindows"]
    return rendered


def ask_argo_cd(questions: list[dict[str, Any]]) -> list[Any]:
    """Whether Argo CD would sync, in its own code at each time."""
    lines = "".join(json.dumps(each) + "\n" for each in questions)
    result = rendering.run(rendering.tool("sync-windows"), stdin=lines)
    assert result.code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines() if line != "PASS"]


@pytest.mark.parametrize("helm", rendering.HELMS)
def test_a_window_is_a_sync_window_of_its_models(tmp_path: Path, helm: str) -> None:
    windows: list[dict[str, Any]] = [
        {"kind": "deny", "schedule": "0 18 * * 5", "duration": "62h", "reason": "weekend"},
        {
            "kind": "allow",
            "schedule": "0 8 * * 1-5",
            "duration": "9h30m",
            "timeZone": "Europe/Berlin",
            "reason": "office hours",
            "models": ["iris", "fraud"],
        },
    ]
    assert project(tmp_path, helm, windows) == [
        {
            "kind": "deny",
            "applications": ["*"],
            "schedule": "0 18 * * 5",
            "duration": "62h",
            "timeZone": "UTC",
            "description": "weekend",
            "manualSync": True,
        },
        {
            "kind": "allow",
            "applications": ["production-iris", "production-fraud"],
            "schedule": "0 8 * * 1-5",
            "duration": "9h30m",
            "timeZone": "Europe/Berlin",
            "description": "office hours",
            "manualSync": True,
        },
    ]


def test_the_chart_refuses_the_same_words_as_modelctl() -> None:
    schema = json.loads((rendering.ARGOCD_CHART / "values.schema.json").read_text())
    assert schema["$defs"]["Window"] == Window.model_json_schema(by_alias=True)


class Generator:
    """Windows and times around their edges, by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def field(self, low: int, high: int, names: tuple[str, ...] = ()) -> str:
        """One field of a schedule; at times one that has to be refused."""
        chance = self.random
        first, second = sorted(chance.randint(low, high) for _ in "ab")
        forms = ["*", "*", f"*/{chance.randint(1, 9)}", str(first), f"{first}-{second}"]
        forms += [f"{first}-{second}/{chance.randint(1, 5)}", f"{first},{second}", f"{first:02}"]
        return chance.choice([*forms, *chance.sample(names, min(len(names), 2))])

    def window(self) -> dict[str, Any]:
        """A window that modelctl accepts."""
        while True:
            chance = self.random
            schedule = " ".join(
                [
                    chance.choice(["0", "30", self.field(0, 59)]),
                    self.field(0, 23),
                    chance.choice(["*", self.field(1, 31)]),
                    chance.choice(["*", "*", self.field(1, 12, MONTHS)]),
                    chance.choice(["*", self.field(0, 7, DAYS)]),
                ]
            )
            candidate = {
                "kind": chance.choice(["allow", "deny"]),
                "schedule": schedule,
                "duration": chance.choice(["1m", "45m", "1h30m", "8h", "26h", "400h"]),
                "timeZone": chance.choice(ZONES),
                "reason": "generated",
                "models": chance.choice([["*"], ["iris"], ["fraud", "iris"], ["fraud"]]),
            }
            try:
                Window.model_validate(candidate)
            except ValidationError:
                continue
            return candidate

    def time(self) -> datetime:
        """A time in ten years, often beside a change of the clocks, often at a whole minute."""
        chance = self.random
        day = datetime(chance.randint(2024, 2034), 1, 1, tzinfo=UTC)
        if chance.random() < 0.5:
            zone = ZoneInfo(chance.choice(ZONES[1:4]))
            offset = day.astimezone(zone).utcoffset()
            while day.astimezone(zone).utcoffset() == offset and day.month < 12:
                day += timedelta(hours=1)
            return day + timedelta(minutes=chance.randint(-26 * 60, 26 * 60))
        day += timedelta(minutes=chance.randint(0, 365 * 24 * 60))
        return day + timedelta(seconds=chance.choice([0, 0, 1, 30, 59]))


def test_argo_cd_decides_the_same_at_every_time() -> None:
    generator = Generator(1)
    cases = [
        (generator.time(), [generator.window() for _ in range(generator.random.randint(1, 3))])
        for _ in range(CASES)
    ]
    cases.sort(key=lambda case: case[0])
    answers = ask_argo_cd(
        [
            {
                "at": int(now.timestamp()),
                "application": "production-iris",
                "windows": [sync_window(each) for each in windows],
            }
            for now, windows in cases
        ]
    )
    ours = [
        closing([Window.model_validate(each) for each in windows], "iris", now) == []
        for now, windows in cases
    ]
    differing = [
        (*case, theirs)
        for case, theirs, mine in zip(cases, answers, ours, strict=True)
        if theirs is not mine
    ]
    assert differing == []
    assert 0.2 < sum(ours) / CASES < 0.8


def sync_window(window: dict[str, Any]) -> dict[str, Any]:
    """A window as the chart renders it; the test above compares it with the chart."""
    applications = ["*" if name == "*" else f"production-{name}" for name in window["models"]]
    kept = {key: window[key] for key in ("kind", "schedule", "duration", "timeZone")}
    return {**kept, "applications": applications, "manualSync": True}


def test_argo_cd_takes_a_window_that_never_begins_for_an_active_one() -> None:
    """Why modelctl refuses such a schedule."""
    never = {"kind": "deny", "duration": "1h", "timeZone": "UTC", "applications": ["*"]}
    question = {
        "at": int(datetime(2026, 11, 26, tzinfo=UTC).timestamp()),
        "application": "production-iris",
        "windows": [{**never, "schedule": "0 0 30 2 *"}],
    }
    assert ask_argo_cd([question]) == [False]
