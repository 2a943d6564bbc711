"""An analysis as one self-contained HTML page, without scripts or external resources.

Every text is escaped: names of columns and arms come from files.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from modelctl import pages
from modelctl.delivery import wording
from modelctl.drift import svg
from modelctl.repository.experiments import PRIMARY, Guardrail

if TYPE_CHECKING:
    from modelctl.delivery.analysis import Analysis, Decision
    from modelctl.delivery.findings import Finding, Level

COLOURS: dict[Level, str] = {
    "better": "good",
    "holds": "good",
    "worse": "bad",
    "broken": "bad",
    "open": "info",
    "few": "info",
}
DECISIONS: dict[Decision, str] = {
    "promote": "good",
    "stop": "bad",
    "continue": "wait",
    "inconclusive": "info",
}
READING = """<details><summary>How to read this page</summary><dl>
<dt>interval</dt><dd>Before the planned end a confidence sequence: it holds at every look, so you
may look as often as you like. At the planned end the interval of Welch's test or of two
proportions; of a guardrail one bound. The grey mark is no difference.</dd>
<dt>p</dt><dd>The probability of a difference at least as large without an effect, adjusted by Holm
for all primary metrics and variants; it decides. Guardrails are decided by their bound and
margin.</dd>
<dt>CUPED</dt><dd>The share of the variance that the pre-period explained and that is removed.</dd>
<dt>sample ratio</dt><dd>The probability of arms as unequal as these if no unit was lost. Below
0.001 there is no analysis.</dd></dl></details>"""


def render(analysis: Analysis) -> str:
    """The whole page."""
    experiment = analysis.experiment
    kind = "planned end" if analysis.is_final else "a look before the planned end"
    decisions = [(variant, analysis.decision(variant)) for variant in experiment.variants]
    return pages.fill(
        "experiment",
        base="report",
        title=escape(f"Experiment of {analysis.model} in {analysis.environment}"),
        badges="".join(
            pages.badge(f"{variant}: {decision}", DECISIONS[decision])
            for variant, decision in decisions
        ),
        sentence=escape(wording.sentence(analysis)),
        summary=escape(
            f"{analysis.units:,} of {experiment.planned_units:,} planned units, "
            f"{experiment.start:%Y-%m-%d} to {experiment.end:%Y-%m-%d}, judged at "
            f"{analysis.now:%Y-%m-%d %H:%M} UTC: {kind}. Owner {experiment.owner}."
        ),
        hypothesis=escape(experiment.hypothesis),
        notes=_notes(analysis.notes),
        table=_findings(analysis.findings),
        units=_units(analysis),
        reading=READING,
    )


def _notes(notes: list[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if notes else ""


def _findings(findings: list[Finding]) -> str:
    heads = ("metric", "variant", PRIMARY, "with it", "difference", "interval", "", "p", "")
    rows = [
        "".join(
            f"<td>{cell}</td>"
            for cell in (
                escape(each.metric.name) + _role(each),
                escape(each.variant),
                wording.value(each.metric, each.values[0]),
                wording.value(each.metric, each.values[1]),
                wording.change(each.metric, each.effect.difference),
                wording.interval(each),
                _drawn(each),
                escape(wording.p_value(each.adjusted_p)),
                pages.badge(wording.LEVELS[each.level], COLOURS[each.level]),
            )
        )
        for each in findings
    ]
    return _table("findings", heads, rows)


def _role(finding: Finding) -> str:
    parts = []
    if isinstance(finding.metric, Guardrail):
        parts.append(f"guardrail, margin {finding.metric.margin:g}")
    if finding.removed is not None:
        parts.append(f"CUPED {finding.removed:.0%}")
    return f" <small>({', '.join(parts)})</small>" if parts else ""


def _drawn(finding: Finding) -> str:
    effect = finding.effect
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return ""
    return svg.interval(0.0, effect.difference, effect.low, effect.high)


def _units(analysis: Analysis) -> str:
    rows = [
        f"<td>{escape(arm)}</td><td>{analysis.experiment.arms[arm]}%</td><td>{count:,}</td>"
        f"<td>{count / analysis.units:.2%}</td>"
        for arm, count in analysis.counts.items()
    ]
    table = _table("units", ("arm", "planned", "units", "found"), rows)
    return f"{table}<p>Sample ratio: p {wording.p_value(analysis.sample_ratio_p)}.</p>"


def _table(name: str, heads: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
