"""A load test as a picture: latencies by percentile for each rate, and by rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelctl.delivery.plot import figure_class, require_format

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.load.answers import Answers

# Shares of slower requests, from half of them to one of ten thousand.
SLOWER = np.logspace(np.log10(0.5), -4, 60)
TICKS = {0.5: "50", 0.1: "90", 0.01: "99", 0.001: "99.9", 0.0001: "99.99"}


def write(title: str, steps: Sequence[Answers], path: Path) -> None:
    """Draw the steps into a PNG or SVG file.

    Raises OSError, and ModelctlError for another format or without matplotlib.
    """
    require_format(path)
    figure = figure_class()(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for answers in steps:
        if not answers.latencies:
            continue
        # Beyond one request the curve would be a guess.
        shares = SLOWER[1 / len(answers.latencies) <= SLOWER]
        curve = [answers.percentile(100 * (1 - share)) * 1e3 for share in shares]
        left.plot(shares, curve, label=f"{answers.rate:g}/s")
    left.set_xscale("log")
    left.invert_xaxis()
    left.set_xticks(list(TICKS), list(TICKS.values()))
    left.minorticks_off()
    left.set_xlabel("percentile of the predictions")
    left.set_ylabel("latency in ms, from when the request was due")
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    steps = [answers for answers in steps if answers.latencies]
    rates = [answers.rate for answers in steps]
    for percent in (50.0, 99.0):
        found = [answers.percentile(percent) * 1e3 for answers in steps]
        right.plot(rates, found, "o-", label=f"p{percent:g} in ms")
    right.set_xlabel("requests offered per second")
    right.set_ylabel("latency in ms")
    right.set_ylim(bottom=0)
    beside = right.twinx()
    beside.plot(rates, [answers.goodput for answers in steps], "s--", color="#5a6672")
    beside.set_ylabel("predictions per second (dashed)")
    beside.set_ylim(bottom=0)
    right.legend(frameon=False, loc="upper left")
    for axes in (left, right, beside):
        axes.spines["top"].set_visible(False)
    figure.suptitle(title, fontsize=10, x=0.01, horizontalalignment="left")
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else {})
