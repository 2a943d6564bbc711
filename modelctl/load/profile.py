"""Profile a bundle: what a request costs and where, memory, and what a capacity file should say."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from modelctl.load import http, memory, pace, requests
from modelctl.load.service import started
from modelctl.service.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelctl.load.answers import Answers
    from modelctl.load.memory import Memory

# Histograms of the service, by what they measure.
PREDICT = "predict"
PHASES = {
    "ml_preprocess_seconds": "read and check the rows",
    "ml_inference_seconds": PREDICT,
    "ml_postprocess_seconds": "write the answer",
}
CPU = "process_cpu_seconds_total"
CONNECTIONS = 100
# Of requests that need most memory: as many as a service takes by default.
BATCH_ROWS = 100
TIMEOUT_SECONDS = 10.0
WARM_UP_SECONDS = 1.0
# A pod at its peak uses this share of what it asks for, so that autoscaling comes before slowness.
UTILIZATION = 0.7
# The service never settles for less: a new pod imports and warms up with it.
MIN_MILLICORES = 50
# What a worker holds for its clients at most, MiB (docs/reference/memory.md).
CLIENTS_MI = 26
# The rest is for the largest requests themselves.
NEEDED_SHARE = 0.75
MEMORY_STEP = 32


@dataclass(frozen=True)
class Profile:
    """What was measured. Times in seconds of one request; `memory` in MiB."""

    model: str
    engine: str
    rows: int
    ready: float
    answers: Answers
    cpu: float
    phases: dict[str, float]
    memory: Memory | None

    @property
    def rate(self) -> float:
        """Requests per second of the measurement."""
        return self.answers.rate

    def capacity(self) -> dict[str, object]:
        """Values of a capacity file for one pod that answers this rate."""
        busy = self.rate * self.cpu / UTILIZATION
        workers = max(1, math.ceil(busy))
        millicores = max(MIN_MILLICORES, math.ceil(busy * 100) * 10)
        asked: dict[str, object] = {"cpu": f"{millicores}m"}
        # What the chart weighs a cache by; never 0, which says that it is not known.
        predicted = max(0.001, round(self.phases[PREDICT] * 1000, 3))
        values: dict[str, object] = {
            "workers": workers,
            "resources": {"requests": asked},
            "cache": {"modelMs": predicted},
        }
        if self.memory is not None:
            needed = self.memory.base + workers * (self.memory.per_worker + CLIENTS_MI)
            limit = f"{math.ceil(needed / NEEDED_SHARE / MEMORY_STEP) * MEMORY_STEP}Mi"
            asked["memory"] = limit
            values["resources"] = {"requests": asked, "limits": {"memory": limit}}
            budget = {"baseMi": self.memory.base, "perWorkerMi": self.memory.per_worker}
            values["memoryBudget"] = budget
        return values


def measure(
    bundle: Path,
    *,
    file: Path | None,
    batch_rows: int,
    rate: float,
    seconds: float,
    with_memory: bool,
    on_step: Callable[[str], None],
) -> Profile:
    """Serve a bundle by one worker and measure it at a rate, then its memory by several.

    Raises ModelctlError, RefusedError for a bundle that is refused.
    """
    on_step("start")
    with started(bundle, 1) as service, Client(service.url) as client:
        model = requests.model_of(client)
        engine = str(client.get("/model/info")["engine"])
        rows = requests.rows_of(client, model, file, ())
        groups = requests.chunks(rows, batch_rows)
        client.post("/predict/batch", {"instances": groups[0]})
        on_step(f"{rate:g} requests/s for {seconds:g} s")
        url = service.url + requests.path_of(groups)
        answers, before, after = asyncio.run(
            _measure(service.url, url, requests.bodies(groups), rate, seconds)
        )
    spent = {name: after[name] - before[name] for name in after}
    (full,) = requests.bodies(requests.chunks(rows[:BATCH_ROWS], BATCH_ROWS))
    return Profile(
        model=model.title,
        engine=engine,
        rows=batch_rows,
        ready=service.ready_seconds,
        answers=answers,
        cpu=spent[CPU] / max(answers.sent, 1),
        phases={PHASES[name]: spent[name] / max(answers.ok, 1) for name in PHASES},
        memory=memory.measure(bundle, full, seconds, on_step) if with_memory else None,
    )


async def _measure(
    base: str, url: str, bodies: list[bytes], rate: float, seconds: float
) -> tuple[Answers, dict[str, float], dict[str, float]]:
    async with http.sender(url, bodies, CONNECTIONS, TIMEOUT_SECONDS) as sender:
        await pace.step(sender, rate, WARM_UP_SECONDS, connections=CONNECTIONS)
        before = _sums(base)
        answers = await pace.step(sender, rate, seconds, connections=CONNECTIONS)
        return answers, before, _sums(base)


def _sums(url: str) -> dict[str, float]:
    """CPU time and the sum of each phase so far, in seconds."""
    with urlopen(f"{url}/metrics") as response:  # noqa: S310
        text = response.read().decode()
    wanted = {CPU, *(f"{name}_sum" for name in PHASES)}
    found = dict.fromkeys((CPU, *PHASES), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted:
                found[sample.name.removesuffix("_sum")] += sample.value
    return found
