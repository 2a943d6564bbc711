"""Recurring windows are accepted only where Argo CD reads them alike."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from modelctl.repository.windows import Window, closing

OFFICE = {
    "kind": "allow",
    "schedule": "0 8 * * MON-FRI",
    "duration": "9h30m",
    "timeZone": "Europe/Berlin",
    "reason": "office hours",
}
WEEKEND = {"kind": "deny", "schedule": "0 0 * * 6", "duration": "48h", "reason": "weekend"}


def window(**changes: Any) -> Window:
    return Window.model_validate({**OFFICE, **changes})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "0 8 * * 7"}, "Sunday is 0 or SUN"),
        ({"schedule": "0 8 * * 1-07"}, "Sunday is 0 or SUN"),
        ({"schedule": "0 8 */2 * 1"}, "a step in one of day of month and day of week"),
        ({"schedule": "0 8 1 * */2"}, "a step in one of day of month and day of week"),
        ({"schedule": "0 5-5/2 * * *"}, "a range from a value to itself has no steps"),
        ({"schedule": "0 0 30 2 *"}, "not a schedule of five cron fields: Bad day-of-month"),
        ({"schedule": "0 25 * * *"}, "not a schedule of five cron fields: Bad hour"),
        ({"schedule": "0 17-8 * * *"}, "not a schedule of five cron fields: Bad hour"),
        ({"schedule": "0 8 * *"}, "String should match pattern"),
        ({"schedule": "0 0 8 * * *"}, "String should match pattern"),
        ({"schedule": "0 8/2 * * *"}, "String should match pattern"),
        ({"schedule": "@daily"}, "String should match pattern"),
        ({"schedule": "TZ=UTC 0 8 * * *"}, "String should match pattern"),
        ({"schedule": "0 8 ? * *"}, "String should match pattern"),
        ({"schedule": "0 8 JAN * *"}, "not a schedule of five cron fields"),
        ({"duration": "8 hours"}, "String should match pattern"),
        ({"duration": ""}, "at least 1 character"),
        ({"duration": "0h"}, "String should match pattern"),
        ({"duration": "1.5h"}, "String should match pattern"),
        ({"timeZone": "Europe/Berlln"}, "unknown time zone 'Europe/Berlln'"),
        ({"timeZone": "Local"}, "String should match pattern"),
        ({"timeZone": "../../etc/passwd"}, "String should match pattern"),
        ({"kind": "maybe"}, "Input should be 'allow' or 'deny'"),
        ({"models": []}, "at least 1 item"),
        ({"models": ["Iris_Big"]}, "String should match pattern"),
        ({"days": 3}, "Extra inputs"),
    ],
)
def test_what_argo_cd_would_read_otherwise_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        window(**changes)
    assert message in str(refused.value)


@pytest.mark.parametrize("value", ["L", "0 8 LW * *", "5L", "MON#2"])
def test_what_only_cronsim_knows_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        window(schedule=f"0 8 * * {value}" if len(value.split()) == 1 else value)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        # 8:00 in Berlin is 7:00 UTC in winter and 6:00 UTC in summer.
        ("2026-03-27T06:59:59", False),
        ("2026-03-27T07:00:01", True),
        ("2026-03-30T06:00:01", True),
        ("2026-03-30T15:29:59", True),
        ("2026-03-30T15:30:01", False),
        ("2026-10-26T06:30:00", False),
        ("2026-10-26T07:30:00", True),
        ("2026-10-25T10:00:00", False),
    ],
)
def test_an_allow_window_is_open_in_local_time(now: str, *, is_open: bool) -> None:
    assert (closing([window()], "iris", at(now)) == []) is is_open


def test_a_deny_window_wins_over_an_allow_window() -> None:
    always = window(schedule="0 0 * * *", duration="24h1m")
    weekend = window(**WEEKEND, timeZone="UTC")
    assert closing([always, weekend], "iris", at("2026-11-27T12:00:00")) == []
    assert closing([always, weekend], "iris", at("2026-11-28T12:00:00")) == [weekend]


def test_a_window_is_for_its_models_only() -> None:
    fraud = window(models=["fraud"])
    night = at("2026-11-27T23:00:00")
    assert closing([fraud], "fraud", night) == [fraud]
    assert closing([fraud], "iris", night) == []
    everything = window(schedule="0 20 * * *", duration="8h", reason="night", timeZone="UTC")
    assert closing([fraud, everything], "fraud", night) == []


def test_a_window_that_does_not_begin_in_years_is_refused() -> None:
    """Argo CD takes it for one that is always active."""
    with pytest.raises(ValidationError):
        window(schedule="0 0 31 4,6,9,11 *")
    leap = window(schedule="0 0 29 2 *", duration="24h", timeZone="UTC")
    assert leap.is_active(at("2028-02-29T12:00:00"))
    assert not leap.is_active(at("2027-03-01T12:00:00"))
    assert leap.length == timedelta(hours=24)


@pytest.mark.parametrize(
    ("changes", "now", "end"),
    [
        ({}, "2026-11-28T12:00:00", "2026-11-30T00:00:00"),
        ({"timeZone": "Europe/Berlin"}, "2026-11-28T12:00:00", "2026-11-29T23:00:00"),
        ({"schedule": "0 0 * * 6,0"}, "2026-11-28T12:00:00", "2026-12-01T00:00:00"),
        ({"schedule": "0 * * * *", "duration": "1h"}, "2026-11-28T12:00:30", None),
        ({"schedule": "* * * * *", "duration": "23h59m"}, "2026-11-28T12:00:30", None),
        # In Berlin the hour from 2:00 is left out on March 29, and there twice on October 25.
        (
            {"schedule": "0 22 * * *", "duration": "4h30m", "timeZone": "Europe/Berlin"},
            *("2026-03-29T00:30:00", "2026-03-29T01:00:00"),
        ),
        (
            {"schedule": "0 22 * * *", "duration": "4h30m", "timeZone": "Europe/Berlin"},
            *("2026-10-25T01:10:00", "2026-10-25T01:30:00"),
        ),
    ],
)
def test_a_deny_window_says_when_it_ends(
    changes: dict[str, Any], now: str, end: str | None
) -> None:
    weekend = window(**{**WEEKEND, "timeZone": "UTC", **changes})
    assert weekend.end(at(now)) == (at(end) if end else None)


def test_the_end_of_a_window_is_the_first_moment_that_it_does_not_close() -> None:
    """By `is_active`, which decides as Argo CD does, around changes to and from summer time."""
    chance = random.Random(7)  # noqa: S311
    seen = 0
    for _ in range(400):
        fields = (chance.choice(("0", "30", "*/20")), str(chance.randrange(24)), "*", "*")
        day = chance.choice(("*", "0", "MON-FRI"))
        each = window(
            kind="deny",
            schedule=" ".join((*fields, day)),
            duration=f"{chance.choice((1, 15, 30, 90, 600, 3000))}m",
            timeZone=chance.choice(("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")),
        )
        month, day_of_month = chance.choice(((3, 8), (3, 29), (10, 25), (11, 1), (7, 5)))
        now = datetime(2026, month, day_of_month, tzinfo=UTC) + timedelta(
            seconds=chance.randrange(-7200, 86_400)
        )
        if not each.is_active(now) or (end := each.end(now)) is None:
            continue
        seen += 1
        asked = [now + (end - now) * chance.random() for _ in range(20)]
        asked = [moment.replace(second=30, microsecond=0) for moment in asked]
        asked = [moment for moment in asked if now < moment < end]
        context = (each, now, end, end.astimezone(ZoneInfo(each.time_zone)))
        assert end > now, context
        assert all(each.is_active(moment) for moment in asked), context
        assert each.is_active(max(now, end - timedelta(seconds=1))), context
        assert not each.is_active(end + timedelta(seconds=1)), context
    assert seen > 30
