"""An analysis as a picture: every effect with its interval, in units of what matters."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from modelctl.delivery import wording
from modelctl.errors import ModelctlError, missing_library

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.delivery.analysis import Analysis
    from modelctl.delivery.findings import Finding, Level

SUFFIXES = (".png", ".svg")
COLOURS: dict[Level, str] = {
    "better": "#0f6b39",
    "holds": "#0f6b39",
    "worse": "#a11b1b",
    "broken": "#a11b1b",
    "open": "#5a6672",
    "few": "#5a6672",
}
# In minimum effects; an interval may be infinite, and a wide one hides the others.
REACH = 4.0


def require_format(path: Path) -> None:
    """Raise ModelctlError for a file that is neither PNG nor SVG."""
    if path.suffix.lower() not in SUFFIXES:
        raise ModelctlError(
            f"unknown format of a plot: {path}",
            expected=" or ".join(SUFFIXES),
            found=path.suffix or "no extension",
        )


def figure_class() -> Any:
    """The class of a figure. Raises ModelctlError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_library(
            "a plot", "matplotlib", "dashboards", otherwise=", or leave the plot out"
        ) from error
    return Figure


def write(analysis: Analysis, path: Path) -> None:
    """Draw the findings into a PNG or SVG file.

    Raises OSError, and ModelctlError without matplotlib.
    """
    require_format(path)
    findings = analysis.findings
    figure = figure_class()(figsize=(9, 1.9 + 0.55 * len(findings)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 1, color="#eef1f4", zorder=0)
    axes.axvline(0, color="#1b2127", linewidth=1)
    for at, finding in enumerate(findings):
        middle, low, high = (
            min(max(bound / finding.metric.scale, -2 * REACH), 2 * REACH)
            for bound in (finding.effect.difference, finding.effect.low, finding.effect.high)
        )
        colour = COLOURS[finding.level]
        axes.plot([low, high], [at, at], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot(middle, at, "o", color=colour, markersize=7)
    axes.set_yticks(range(len(findings)), [_label(each) for each in findings])
    axes.set_ylim(len(findings) - 0.4, -0.6)
    axes.set_xlim(-REACH, REACH)
    axes.set_xlabel("difference from primary, in minimum effects (guardrails: margins)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    title = textwrap.fill(wording.sentence(analysis), 105)
    figure.suptitle(title, fontsize=9.5, x=0.01, horizontalalignment="left")
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else {})


def _label(finding: Finding) -> str:
    metric = finding.metric
    arrow = "↑" if metric.direction == "increase" else "↓"
    effect = wording.change(metric, finding.effect.difference)
    level = wording.LEVELS[finding.level]
    return f"{metric.name} {arrow} · {finding.variant}\n{effect} · {level}"
