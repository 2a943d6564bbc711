"""Canaries of known truth beside a stable version, and what each check should find of them."""

from __future__ import annotations

import numpy as np

from tests.observability.arms import CANARY, SECONDS, STABLE, Pod, Traffic, draw
from tests.observability.verdict import TOLERATED


def release(
    canary: Traffic | None,
    stable: Traffic,
    rate: float = 100,
    weight: float = 0.1,
    minutes: int = 30,
    seed: int = 1,
) -> list[Pod]:
    """A canary of one pod beside two stable ones, after two minutes without it."""
    random, steps = np.random.default_rng(seed), minutes * 60 // SECONDS
    every = np.ones(steps + 1)
    pods = [
        draw(random, STABLE, f"aaaa{number}", stable, every * rate * (1 - weight) / 2)
        for number in range(2)
    ]
    if canary:
        pods.append(draw(random, CANARY, "bbbbb", canary, every * rate * weight, start=4))
    return pods


GOOD = Traffic(failed=0.001)
MANY, FEW = 100, 5
STREAMS: dict[str, tuple[list[Pod], dict[str, str], int]] = {
    "good": (release(GOOD, GOOD), dict.fromkeys([*TOLERATED, "restarts", "digest"], "fine"), 30),
    "1 % fail instead of 2 %": (
        release(Traffic(failed=0.01), Traffic(failed=0.02)),
        {"availability": "fine"},
        15,
    ),
    "2 % fail instead of 1 %": (
        release(Traffic(failed=0.02), Traffic(failed=0.01)),
        {"availability": "worse", "predictions": "fine"},
        18,
    ),
    "5 % fail": (release(Traffic(failed=0.05), GOOD), {"availability": "worse"}, 4),
    "2 % instead of 1 % with little traffic": (
        release(Traffic(failed=0.02), Traffic(failed=0.01), rate=FEW),
        {"availability": "open"},
        30,
    ),
    "good with little traffic": (release(GOOD, GOOD, rate=FEW), {"availability": "open"}, 30),
    "hardly any traffic": (
        release(Traffic(failed=0.9), GOOD, rate=0.1),
        dict.fromkeys(TOLERATED, "none"),
        30,
    ),
    "no traffic": (release(GOOD, GOOD, rate=0), dict.fromkeys(TOLERATED, "none"), 30),
    "no canary": (release(None, GOOD), dict.fromkeys([*TOLERATED, "digest"], "none"), 30),
    "other predictions, no error": (
        release(Traffic(failed=0, classes={"good": 0.35, "bad": 0.65}), Traffic(failed=0)),
        {"predictions": "worse", "availability": "fine", "confidence": "fine"},
        15,
    ),
    "a class less": (
        release(Traffic(classes={"good": 1.0}), Traffic(classes={"good": 0.7, "bad": 0.3})),
        {"predictions": "worse"},
        15,
    ),
    "less confident": (
        release(Traffic(confidence={"0.6": 0.8, "0.9": 0.2}), GOOD),
        {"confidence": "worse", "predictions": "fine"},
        15,
    ),
    "slow": (
        release(Traffic(failed=0.001, slow=0.08), GOOD),
        {"latency": "worse", "availability": "open"},
        5,
    ),
    "sheds": (release(Traffic(shed=0.04), GOOD), {"shed": "worse"}, 5),
    "refuses rows": (release(Traffic(rejected=0.1), GOOD), {"rejections": "worse"}, 5),
}
