"""Recurring times in which an environment may change, or may not, as Argo CD evaluates them.

The argocd/ chart renders each as a sync window. Argo CD adds the zone's present offset to the
present time and compares that with the schedule as if both were UTC; so does this module, or git
would accept what the cluster does not apply. Knows windows and times, no environments.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, Field, StringConstraints, field_validator

from modelctl.repository.strict_model import STRICT

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_MODELS = "*"
# What Argo CD (robfig/cron) and cronsim read alike: no `?`, no `N/step`, no star in a list.
_VALUE = "([0-9]{1,2}|[A-Za-z]{3})"
_ITEM = rf"{_VALUE}(-{_VALUE}(/[0-9]+)?)?"
_FIELD = rf"(\*(/[0-9]+)?|{_ITEM}(,{_ITEM})*)"
SCHEDULE = rf"^{_FIELD}( {_FIELD}){{4}}$"
DURATION = r"^([1-9][0-9]{0,3}h)?([1-9][0-9]{0,5}m)?$"
ZONE = r"^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$"
MODEL = r"^(\*|[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?)$"
# robfig/cron gives up after five years, and Argo CD takes that for an active window.
MAX_YEARS = 5
# A schedule may begin again before it has ended: looked ahead for so many times in a row.
MAX_JOINED = 1000
TIME = "%Y-%m-%d %H:%M UTC"
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Window(BaseModel):
    """A recurring time: `deny` closes an environment in it, `allow` outside of it."""

    model_config = STRICT

    kind: Literal["allow", "deny"]
    schedule: Annotated[
        str,
        StringConstraints(pattern=SCHEDULE),
        Field(
            description="When it begins, as five fields of cron: minute, hour, day of month, "
            "month, day of week (0 or SUN to 6 or SAT)."
        ),
    ]
    duration: Annotated[
        str,
        StringConstraints(pattern=DURATION, min_length=1),
        Field(description="How long it lasts, such as 8h, 45m or 1h30m."),
    ]
    time_zone: Annotated[
        str,
        StringConstraints(pattern=ZONE),
        Field(alias="timeZone", description="Time zone of the schedule, such as Europe/Berlin."),
    ] = "UTC"
    reason: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    models: Annotated[
        list[Annotated[str, StringConstraints(pattern=MODEL)]],
        Field(min_length=1, description="Models that it is for; `*` means all models."),
    ] = [ALL_MODELS]

    @field_validator("schedule")
    @classmethod
    def _readable(cls, schedule: str) -> str:
        """Refuse what the two parsers read differently, and what never begins."""
        days = [field for field in schedule.split()[2::2] if field != "*"]
        if len(days) > 1 and any(field.startswith("*") for field in days):
            raise ValueError(
                "a step in one of day of month and day of week needs `*` in the other: readers of "
                "cron differ in whether both have to match"
            )
        if re.search(r"\b(\w+)-\1/", schedule):
            raise ValueError("a range from a value to itself has no steps")
        if re.search(r"\b0*7\b", schedule.split()[4]):
            raise ValueError("Sunday is 0 or SUN in Argo CD, not 7")
        try:
            start = datetime.now(UTC).replace(tzinfo=None)
            begins = next(CronSim(schedule, start), None)
        except CronSimError as error:
            raise ValueError(f"not a schedule of five cron fields: {error}") from error
        if begins is None or begins > start + timedelta(days=366 * MAX_YEARS - 1):
            raise ValueError(f"it does not begin within {MAX_YEARS} years")
        return schedule

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        """Argo CD takes an unknown zone for UTC, with nothing but a line in its log."""
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError, ValueError) as error:
            text = f"unknown time zone '{name}': expected one such as Europe/Berlin"
            raise ValueError(text) from error
        return name

    def is_active(self, now: datetime) -> bool:
        """Whether `now` is in the window, both ends excluded as in Argo CD."""
        local = self._local(now)
        return next(CronSim(self.schedule, local - self.length)) < local

    def next_start(self, now: datetime) -> datetime:
        """When the window opens next, in UTC."""
        return self._in_utc(next(CronSim(self.schedule, self._local(now))), now)

    def end(self, now: datetime) -> datetime | None:
        """When a window that is active at `now` ends, in UTC; None if it goes on and on.

        One that begins again before it has ended goes on.
        """
        local = self._local(now)
        end = next(CronSim(self.schedule, local, reverse=True)) + self.length
        for _ in range(MAX_JOINED):
            last = next(CronSim(self.schedule, end + MINUTE, reverse=True))
            if last + self.length <= end:
                break
            end = last + self.length
        else:
            return None
        moment = self._in_utc(end, now)
        # A time in the hour that summer time leaves out is over when that begins.
        while moment - MINUTE >= now and not self.is_active(moment - SECOND):
            moment -= MINUTE
        return moment

    def _local(self, now: datetime) -> datetime:
        """The present time in the zone as Argo CD has it: without a zone."""
        offset = now.astimezone(ZoneInfo(self.time_zone)).utcoffset() or timedelta()
        return now.astimezone(UTC).replace(tzinfo=None) + offset

    def _in_utc(self, local: datetime, now: datetime) -> datetime:
        """A local time after `now`: the second one, if the end of summer time repeats it."""
        zone = ZoneInfo(self.time_zone)
        moment = local.replace(tzinfo=zone).astimezone(UTC)
        return moment if moment > now else local.replace(tzinfo=zone, fold=1).astimezone(UTC)

    @property
    def length(self) -> timedelta:
        """The duration."""
        hours, minutes = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?", self.duration).groups()  # type: ignore[union-attr]
        return timedelta(hours=int(hours or 0), minutes=int(minutes or 0))

    def change(self, now: datetime) -> str:
        """When a window that closes an environment at `now` ends, or opens it, in words."""
        if self.kind == "allow":
            return f"next opens at {self.next_start(now):{TIME}}"
        end = self.end(now)
        return f"ends at {end:{TIME}}" if end else "never ends: it begins again before it has ended"

    def __str__(self) -> str:
        return f"`{self.schedule}` for {self.duration}, {self.time_zone} ({self.reason})"


def closing(windows: Sequence[Window], model: str, now: datetime) -> list[Window]:
    """The windows that close an environment for a model at `now`; none if it is open.

    A deny window wins. Where there are allow windows, one of them has to be active.
    """
    matching = [each for each in windows if not {ALL_MODELS, model}.isdisjoint(each.models)]
    denying = [each for each in matching if each.kind == "deny" and each.is_active(now)]
    allowing = [each for each in matching if each.kind == "allow"]
    if denying or any(each.is_active(now) for each in allowing):
        return denying
    return allowing
