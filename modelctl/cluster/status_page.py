"""The status as one self-contained HTML page, to archive, send or display.

Every text is escaped: names and reasons are untrusted input.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from modelctl import pages
from modelctl.durations import span
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelctl.cluster.status import Release, Status

TITLE = "What runs where"
GOOD, BAD, WAIT, INFO = "good", "bad", "wait", "info"
COLOURS = {
    "Healthy": GOOD,
    "Synced": GOOD,
    "Progressing": INFO,
    "Suspended": INFO,
    "OutOfSync": WAIT,
    "Unknown": WAIT,
    "Degraded": BAD,
    "Missing": BAD,
}


def render(status: Status) -> str:
    """The whole page."""
    now = status.now
    environments = list(dict.fromkeys(release.environment for release in status.releases))
    models = sorted({release.model for release in status.releases})
    releases = {(r.model, r.environment): r for r in status.releases}
    rows = [
        "<tr>"
        + f'<th scope="row">{escape(model)}</th>'
        + "".join(_cell(name, releases.get((model, name)), now) for name in environments)
        + "</tr>"
        for model in models
    ]
    return pages.fill(
        "status",
        title=TITLE,
        summary=escape(_summary(status, now)),
        note="".join(f'<p class="note">{escape(note)}</p>' for note in status.notes),
        heads="".join(f'<th scope="col">{escape(name)}</th>' for name in environments),
        rows="\n".join(rows),
    )


def age(release: Release, now: datetime) -> str:
    """How long the version has been in git there."""
    return span(now - datetime.fromisoformat(release.since)) if release.since else ""


def _summary(status: Status, now: datetime) -> str:
    released = [release for release in status.releases if release.is_released]
    parts = [f"{len(released)} release{'' if len(released) == 1 else 's'}"]
    if any(release.live for release in released):
        healthy = sum(r.live is not None and r.live.health == "Healthy" for r in released)
        current = sum(release.is_current for release in released)
        parts += [f"{healthy} Healthy", f"{current} as in git"]
    looked = f" {status.looked}." if status.looked else ""
    return f"{', '.join(parts)}. As of {now:%Y-%m-%d %H:%M} UTC.{looked}"


def _cell(environment: str, release: Release | None, now: datetime) -> str:
    start = f'<td data-environment="{escape(environment)}">'
    if release is None:
        return f'{start}<span class="none">not set up</span></td>'
    if not release.is_released:
        return f'{start}<span class="none">not released</span></td>'
    badges = "".join(pages.badge(text, colour) for text, colour in _badges(release))
    details = [f"in git for {age(release, now)}" if release.since else "not committed"]
    details += [f"chart {release.chart}"] if release.chart else []
    live = release.live
    refusals = "".join(
        f'<div class="refusal">{escape(text)}</div>'
        for text in ((*map(str, live.checks), *live.refusals) if live else ())
    )
    return (
        f'{start}<span class="version">{escape(release.version)}</span> '
        f'<code title="{escape(release.digest)}">{short(release.digest)}</code>'
        f'<div class="badges">{badges}</div>'
        f'<div class="dim">{escape(" · ".join(details))}</div>{refusals}</td>'
    )


def _badges(release: Release) -> Iterator[tuple[str, str]]:
    if release.live:
        for word in filter(None, (release.live.health, release.live.sync)):
            yield word, COLOURS.get(word, WAIT)
    for remark in release.remarks:
        yield remark, BAD if remark.endswith("missing") or "another" in remark else WAIT
