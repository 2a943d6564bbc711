"""Real KEDA: a release without pods gets them when a queue has messages, and loses them after."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import netns
from sandbox.layout import NODE_IP
from sandbox.wait import Answer, wait_until

from .ad_hoc import AdHoc, AdHocReleases, Values
from .keda import scaling
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 16390
STREAM = "asked"
EACH = 5
VALUES: Values = {
    "keda": {
        "enabled": True,
        "minReplicas": 0,
        "maxReplicas": 3,
        "pollingInterval": 2,
        "cooldownPeriod": 5,
        "triggers": {
            "queue": {
                "type": "redis-streams",
                "metadata": {
                    "address": f"{NODE_IP}:{PORT}",
                    "stream": STREAM,
                    "streamLength": str(EACH),
                },
            }
        },
    },
    "resources": {"requests": {"cpu": "50m"}},
}


@pytest.fixture(scope="module")
def redis(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Redis beside the cluster."""
    folder = tmp_path_factory.mktemp("redis")
    argv = netns.enter_argv(
        [*("redis-server", "--bind", NODE_IP, "--port", str(PORT), "--protected-mode", "no"),
         *("--dir", folder, "--save", "")]
    )  # fmt: skip
    with (
        (folder / "log").open("wb") as output,
        subprocess.Popen(argv, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until("Redis answers", lambda: Answer(ask("PING") == "PONG", ""), 30)
            yield
        finally:
            process.terminate()


def ask(*words: str) -> str:
    """What Redis says."""
    argv = netns.enter_argv(["redis-cli", "-h", NODE_IP, "-p", str(PORT), *words])
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def pods(release: AdHoc, count: int) -> float:
    """Wait until that many pods are ready and there is no other."""

    def probe() -> tuple[bool, Any]:
        state = (len(release.pods()), len(release.ready_pods()))
        return state == (count, count), (state, release.get("scaledobject").get("status"))

    return eventually(f"{count} pods", probe, 400)


def test_a_queue_scales_a_release_from_none_to_three_and_back_to_none(
    loop: Loop, ad_hoc: AdHocReleases, redis: None
) -> None:
    with scaling(loop), ad_hoc.installed("queued", VALUES, wait=False) as release:
        pods(release, 0)
        ask("XADD", STREAM, "*", "body", "1")
        measured("from no pod to one by the first message", pods(release, 1), 30)
        for number in range(3 * EACH - 1):
            ask("XADD", STREAM, "*", "body", str(number))
        measured("from one pod to three by fifteen messages", pods(release, 3), 60)
        ask("DEL", STREAM)
        measured("from three pods to none", pods(release, 0), 60)
