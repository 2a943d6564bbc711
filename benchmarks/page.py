"""The results as a page: tables, ratios, and each target with the measured value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.machine import describe

if TYPE_CHECKING:
    from benchmarks.overload import Overload
    from benchmarks.serving import Extra, Result

TITLES = {
    "lr": "Scaler and logistic regression, 4 numbers",
    "rf": "Random forest, 100 trees, 20 numbers",
    "penguins": "Penguins: imputers, scaler, one-hot, random forest; numbers and strings",
}
HEAD = """\
# Benchmarks

Written by `make bench`; do not edit. One run: every server pinned to one core with one worker
process, wrk with 16 connections on the other, one row of JSON a request, servers one after the
other. Peers run in environments of their own by their default way to serve a joblib file
(`benchmarks/peers/`). Our service runs with its defaults: every prediction validated, counted and
logged. Servers and load have priority over other work on the machine. Memory is proportional (PSS)
over all processes of a server, under load.
"""


OVERLOAD = """\
Targets: goodput at least 90 % of the peak, everything else 503 with Retry-After, /health and
/metrics (asked twice a second meanwhile) within a second. The peak is that of 16 clients in a
closed loop, before and after. A model of microseconds has no target: refusing costs as much as
answering, and requests wait for their turn in the connections.
"""
WORDS = {True: "reached", False: "missed", None: ""}


def render(results: list[Result], extra: Extra, load_before: float) -> str:
    """Return the page; `load_before` is the machine's load average at the start of the run."""
    quiet = f"Load average of the machine before the run: {load_before:.2f} (a quiet one has 0)."
    parts = [HEAD, f"{describe()} {quiet}"]
    for workload, title in TITLES.items():
        parts.append(f"## {title}\n\n{_table([r for r in results if r.workload == workload])}")
    parts.append(
        f"## More requests than it can answer\n\n{OVERLOAD}\n{_overloads(extra.overloads)}"
    )
    parts.append(f"## Targets\n\n{_targets(results, extra)}")
    return "\n\n".join(parts) + "\n"


def _overloads(overloads: list[Overload]) -> str:
    lines = [
        "| model | load | peak | goodput | refused | lost | p99 of predictions | slowest probe | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {one.model} | {one.load} | {one.peak:,.0f}/s | {one.share:.0%} "
        f"| {one.measured.answered[503]:,} | {one.lost:,} "
        f"| {one.measured.percentile(0.99) * 1e3:,.0f} ms | {one.slowest_probe * 1e3:,.0f} ms "
        f"| {WORDS[one.reached if one.has_target else None]} |"
        for one in overloads
    ]
    return "\n".join(lines)


def _table(results: list[Result]) -> str:
    own = next(result for result in results if result.server == "ml-model")
    lines = [
        "| server | requests/s | ours is | p50 | p99 | start to ready | memory | failed |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {result.server} | {result.peak.rps:,.0f} | {own.peak.rps / result.peak.rps:.2f}x "
        f"| {result.peak.p50 * 1e3:.2f} ms | {result.peak.p99 * 1e3:.2f} ms "
        f"| {result.ready_seconds:.2f} s | {result.memory_mb:.0f} MB | {result.peak.failed} |"
        for result in results
    ]
    return "\n".join(lines)


def _targets(results: list[Result], extra: Extra) -> str:
    by = {(result.server, result.workload): result for result in results}
    own = {workload: by["ml-model", workload] for workload in TITLES}

    def over_best(workload: str) -> float:
        peers = [
            result.peak.rps
            for result in results
            if result.workload == workload
            and result.server != "ml-model"
            and " echo" not in result.server
        ]
        return own[workload].peak.rps / max(peers)

    half = extra.half_load
    echo = own["lr"].peak.rps / by["Flask echo, gthread(4)", "lr"].peak.rps
    ready = max(result.ready_seconds for result in own.values())
    low, high = half.percentile(0.5), half.percentile(0.99)
    echo_low, echo_high = (extra.half_load_of_echo.percentile(share) for share in (0.5, 0.99))
    tail = high / low
    private = max(extra.private_mb)
    lr, rf, mixed = (over_best(workload) for workload in TITLES)
    rows = [
        ("logistic regression over the best peer", "≥ 4x", f"{lr:.1f}x", lr >= 4),
        ("random forest over the best peer", "≥ 20x", f"{rf:.1f}x", rf >= 20),
        ("penguins over the best peer", "", f"{mixed:.1f}x", None),
        ("the same over a Flask echo on gthread(4)", "≥ 1.0x", f"{echo:.2f}x", echo >= 1),
        ("start to ready, onnx engine", "< 1 s", f"{ready:.2f} s", ready < 1),
        ("private memory of a worker", "≤ 40 MB", f"{private:.0f} MB", private <= 40),
        (
            f"p99 / p50 at half of the peak ({half.offered:,.0f}/s)",
            "≤ 3x",
            f"{tail:.1f}x ({high * 1e3:.2f} / {low * 1e3:.2f} ms)",
            tail <= 3,
        ),
        (
            "of that in our code, by the log",
            "",
            f"{extra.handling[1]:.2f} / {extra.handling[0]:.2f} ms",
            None,
        ),
        (
            "the same of the ASGI echo at that rate",
            "",
            f"{echo_high / echo_low:.1f}x ({echo_high * 1e3:.2f} / {echo_low * 1e3:.2f} ms)",
            None,
        ),
    ]  # fmt: skip
    lines = ["| | target | measured | |", "|---|--:|--:|---|"]
    lines += [f"| {what} | {goal} | {found} | {WORDS[met]} |" for what, goal, found, met in rows]
    return "\n".join(lines)
