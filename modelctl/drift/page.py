"""A drift report as one self-contained HTML page, without scripts or external resources.

Every text is escaped: names of features and categories are untrusted input.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from modelctl import pages
from modelctl.drift import svg
from modelctl.drift.findings import level_of_metric, level_of_outliers
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.drift.findings import DriftFinding, Level, Report, Thresholds
    from modelctl.drift.measures import Test
    from modelctl.drift.outliers import Outliers
    from modelctl.drift.performance import MetricChange

LABELS: dict[Level, tuple[str, str]] = {
    "ok": ("no drift", "good"),
    "chance": ("within chance", "info"),
    "few": ("too few rows", "info"),
    "warning": ("warning", "wait"),
    "critical": ("critical", "bad"),
}
VERDICTS: dict[Level, str] = {
    "ok": "No drift",
    "chance": "No drift beyond chance",
    "few": "Too few rows",
    "warning": "Drift: warning",
    "critical": "Drift: critical",
}
# The maximum of categories with a column of their own; the others share one.
MAX_COLUMNS = 15
# Bins that are not drawn if they are empty on both sides.
SPECIAL = ("below", "above", "missing", "unseen", "other")


def render(report: Report, created: datetime) -> str:
    """The whole page."""
    ordered = sorted(report.features, key=lambda one: -one.psi)
    shown = [*report.predictions, *ordered]
    return pages.fill(
        "drift",
        base="report",
        title=escape(f"Drift of {report.model} {report.version}"),
        verdict=pages.badge(VERDICTS[report.level], LABELS[report.level][1]),
        summary=f"{escape(report.source)}: {report.rows:,.0f} rows. Bundle "
        f'<code title="{escape(report.digest)}">{short(report.digest)}</code>. '
        f"Created {created:%Y-%m-%d %H:%M} UTC.",
        notes=_notes(report.notes),
        table=_table(shown, report.thresholds),
        performance=_performance(report.performance),
        outliers=_outliers(report.outliers),
        cards="\n".join(_card(one) for one in shown),
        reading=_reading(report.thresholds),
    )


def level_badge(level: Level) -> str:
    """A coloured label of a level."""
    return pages.badge(*LABELS[level])


def _notes(notes: list[str]) -> str:
    if not notes:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>'


def _table(shown: list[DriftFinding], thresholds: Thresholds) -> str:
    rows = [
        f'<tr><th scope="row"><a href="#{_anchor(one)}">{escape(_title(one))}</a></th>'
        f'<td class="optional">{_gauge(one, thresholds)}</td>'
        f'<td class="number">{one.psi:.3f}</td><td>{level_badge(one.level)}</td>'
        f'<td class="number optional">{one.chance:.3f}</td>'
        f'<td class="number optional">{_p(one.chi_square)}</td>'
        f'<td class="number optional">{_distance(one.ks)}</td></tr>'
        for one in shown
    ]
    # Narrow screens show only the columns that decide.
    columns = {"": False, "stability index": True, "PSI": False, " ": False}
    columns |= {"by chance up to": True, "chi-square p": True, "KS distance (p)": True}
    return _scrolling_table("summary", columns, rows)


def _scrolling_table(name: str, columns: dict[str, bool], rows: list[str]) -> str:
    """A table; `columns` are its headings, True for those that narrow screens hide."""
    head = "".join(
        f'<th scope="col"{" class=optional" if optional else ""}>{text.strip()}</th>'
        for text, optional in columns.items()
    )
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _gauge(one: DriftFinding, thresholds: Thresholds) -> str:
    return svg.gauge(one.psi, thresholds.warning, thresholds.critical, one.level)


def _performance(metrics: list[MetricChange]) -> str:
    if not metrics:
        return ""
    rows = [
        f'<tr><th scope="row">{escape(one.name)}</th>'
        f'<td class="number">{one.before:.4g}</td>'
        f'<td class="number">{one.live:.4g}</td>'
        f'<td class="number optional">{one.low:.4g} to {one.high:.4g}</td>'
        f'<td class="optional">{svg.interval(one.before, one.live, one.low, one.high)}</td>'
        f"<td>{level_badge(level_of_metric(one))}</td></tr>"
        for one in metrics
    ]
    columns = {"metric": False, "as packaged": False, "live": False}
    columns |= {"95% interval": True, "": True, " ": False}
    table = _scrolling_table("performance", columns, rows)
    return f"<h2>Performance on labelled rows</h2>{table}"


def _outliers(outliers: Outliers | None) -> str:
    if outliers is None:
        return ""
    return (
        f"<h2>Outliers {level_badge(level_of_outliers(outliers))}</h2>"
        f'<p id="outliers">{outliers.share:.1%} of the live rows are outliers, compared with '
        f"{outliers.expected:.1%} of held-out sample rows (isolation forest).</p>"
    )


def _card(one: DriftFinding) -> str:
    facts = [f"PSI {one.psi:.3f}", f"{one.rows:,.0f} rows"]
    facts += [f"KS {one.ks.statistic:.2f}"] if one.ks else []
    return (
        f'<section class="card" id="{_anchor(one)}"><div class="head">'
        f"<h3>{escape(_title(one))}</h3>{level_badge(one.level)}</div>{_plot(one)}"
        f'<p class="facts">{" · ".join(facts)}</p></section>'
    )


def _plot(one: DriftFinding) -> str:
    reference = one.reference
    columns = [
        (label, svg.Bar(text, float(before), float(now)))
        for label, text, before, now in zip(
            reference.bins.labels, reference.texts, reference.ratios, one.shares, strict=True
        )
        if label not in SPECIAL or before > 0 or now > 0
    ]
    title = f"Shares of {reference.name} by bin, reference and live"
    if not reference.edges:
        return svg.bars(_merge_smallest([bar for _, bar in columns]), [], 0, title)
    # In the order of the axis: below, the ranges, above, missing.
    order = {"below": -1, "above": 1, "missing": 2}
    columns.sort(key=lambda column: order.get(column[0], 0))
    short_names = {"below": "<", "above": ">"}
    shown = [
        svg.Bar(short_names[label], bar.reference, bar.live) if label in short_names else bar
        for label, bar in columns
    ]
    first = sum(label == "below" for label, _ in columns)
    edges = [svg.compact(edge) for edge in reference.edges]
    return svg.bars(shown, edges if len(edges) > 1 else [], first, title)


def _merge_smallest(shown: list[svg.Bar]) -> list[svg.Bar]:
    """At most MAX_COLUMNS + 1 columns: the largest, and the sum of all others."""
    if len(shown) <= MAX_COLUMNS + 1:
        return shown
    largest = sorted(shown, key=lambda bar: -max(bar.reference, bar.live))[:MAX_COLUMNS]
    kept = [bar for bar in shown if bar in largest]
    rest = [bar for bar in shown if bar not in largest]
    others = svg.Bar(
        f"{len(rest)} others", sum(bar.reference for bar in rest), sum(bar.live for bar in rest)
    )
    return [*kept, others]


def _title(one: DriftFinding) -> str:
    name = one.reference.name
    return f"predictions: {name}" if one.reference.is_prediction else name


def _anchor(one: DriftFinding) -> str:
    kind = "prediction" if one.reference.is_prediction else "feature"
    return escape(f"{kind}-{one.reference.name}".replace(" ", "-"))


def _p(test: Test | None) -> str:
    if test is None:
        return ""
    return "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"


def _distance(test: Test | None) -> str:
    return "" if test is None else f"{test.statistic:.3f} ({_p(test)})"


def _reading(thresholds: Thresholds) -> str:
    return f"""<details><summary>How to read this report</summary><dl>
<dt>PSI</dt><dd>Population stability index: 0 if live rows are distributed over the bins like the
sample. Warning above {thresholds.warning:g}, critical above {thresholds.critical:g}; no verdict for
fewer than {thresholds.rows:,} rows. The alert rules use the same bins and formula.</dd>
<dt>by chance up to</dt><dd>The index that is exceeded in one of a hundred cases without drift,
given the number of sample and live rows.</dd>
<dt>chi-square p, KS</dt><dd>p-values: the probability of a difference at least as large without
drift. With many rows any difference is improbable: look at the index and the distance first.</dd>
<dt>bins</dt><dd>Ranges are deciles of the sample; a frequent value has a bin of its own. &lt; and
&gt; are values outside the sample's range; unseen values are not in the sample.</dd>
</dl></details>"""
