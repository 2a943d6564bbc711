"""Draw every dashboard from a few minutes of a small world: `make dashboard-pictures`.

Two releases with traffic by the clock, clients' mistakes, a minute with faults of ours, a worker
that is killed, a canary of another version that is judged and then replaces it, and inputs that
drift away. Look at the pictures.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dashboards.__main__ import FOLDER
from dashboards.draw import draw
from dashboards.source import Source
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output
from tests import trained
from tests.observability.stack import NAMESPACE, Stack, moment_with_all
from tests.observability.traffic import Client
from tests.paths import ROOT
from tests.queues.brokers import redis
from tests.queues.processes import Broker
from tests.queues.sides import SIDES

POD = "7c9d4b5f6"
NEXT_POD = "65b8f9c7d"
# Text within a picture: the SHA-256 of the dashboard that it shows.
DRAWN_FROM = "Dashboard"


@functools.cache
def next_bundle(folder: Path) -> Path:
    """Iris in another version."""
    config = trained.config("iris")
    request = Request(trained.training("iris"), config=config, version="2.0.0", explain=True)
    write(plan(read_training_output(request), engine="auto", tolerance=1e-6), folder / "next")
    return folder / "next"


def successor(stack: Stack, folder: Path, pod: str, cache: dict[str, str]) -> Client:
    """One more pod of iris, of the other version."""
    bundle = next_bundle(folder)
    service = stack.serve("iris", bundle, f"iris-{NEXT_POD}-{pod}", **cache)
    return Client(service, bundle, seed=9)


def consume(stack: Stack, broker: Broker, client: Client) -> Callable[[float], None]:
    """A consumer of iris; what is sent into its queue at a time of the world."""
    environ = {"QUEUE_URL": broker.url, "QUEUE_NAME": "iris"}
    stack.consume("iris", trained.explained_bundle("iris"), "iris-consumer-0", **environ)
    side = SIDES["redis"](broker.url, "iris")
    dice = random.Random(11)  # noqa: S311 - traffic, not secrets

    def send(share: float) -> None:
        burst = 200 if dice.random() < 0.004 else 1
        client.send(side, burst, mistakes=int(0.6 < share < 0.7 and dice.random() < 0.05))

    return send


def ask(client: Client, share: float, dice: random.Random) -> None:
    """What a client does at a time of the world: requests, some of them twice, and mistakes."""
    client.shift = max(0.0, share - 0.5) * 1.2
    client.predict(20 if dice.random() < 0.3 else 1)
    if dice.random() < 0.4:
        client.repeat()
    if dice.random() < 0.06:
        client.mistake()
    if 0.25 < share < 0.33 and dice.random() < 0.03:
        client.fault()
    if dice.random() < 0.1:
        client.explain()
    if dice.random() < 0.002:
        client.too_late()


def live(stack: Stack, broker: Broker, seconds: float, folder: Path) -> float:
    """Let it all happen, in so many seconds; returns when it began."""
    dice = random.Random(7)  # noqa: S311 - traffic, not secrets
    clients: dict[str, Client] = {}
    cache = {"CACHE_BYTES": "20000", "CACHE_URL": broker.url}
    for release, pod in (("iris", "h8x2k"), ("iris", "q5w7m"), ("penguins", "t4n6z")):
        bundle = trained.explained_bundle(release)
        environ = {"WORKERS": "2"} if pod == "h8x2k" else {"WORKERS": "1"}
        service = stack.serve(release, bundle, f"{release}-{POD}-{pod}", **environ, **cache)
        clients[pod] = Client(service, bundle, seed=len(clients))
    send = consume(stack, broker, clients["q5w7m"])
    began, started = time.time(), time.monotonic()
    killed = canary = replaced = False
    while (share := (time.monotonic() - started) / seconds) < 1:
        for client in list(clients.values()):
            ask(client, share, dice)
        send(share)
        if share > 0.4 and not killed:
            os.kill(stack.pods[f"iris-{POD}-h8x2k"].workers()[0], signal.SIGKILL)
            killed = True
        if share > 0.42 and not canary:
            clients["b2v9c"] = successor(stack, folder, "b2v9c", cache)
            canary = True
        if share > 0.88 and not replaced:
            clients["m3d8s"] = successor(stack, folder, "m3d8s", cache)
            for old in ("h8x2k", "q5w7m"):
                clients.pop(old)
                stack.stop(f"iris-{POD}-{old}")
            replaced = True
        time.sleep(0.08 + 0.06 * math.sin(share * 9))
    return began


def main() -> None:
    """Run the world, then draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        tempfile.TemporaryDirectory() as data,
        Stack(Path(temporary)) as stack,
        redis(Path(data)) as broker,
    ):
        stack.watch("iris", "penguins", judged=["iris"])
        started = live(stack, broker, given.seconds, Path(temporary))
        ended = moment_with_all(stack, ['count(ml_model_info{job!~".*-consumer"}) == 3'])
        step = max(1, (ended - started) / 120)
        source = Source(stack.url, variables(started, ended), started, ended, step)
        for path in sorted(FOLDER.glob("*.json")):
            save(path, source, given.out)


def variables(started: float, ended: float) -> dict[str, str]:
    """What a person would choose at the top of the dashboards."""
    return {
        "namespace": NAMESPACE,
        "release": "iris",
        "availability": "99",
        "latency": "99",
        "seconds": "0.05",
        "window": "1h",
        "feature": "petal_length",
        "__rate_interval": "10s",
        "__range": f"{int(ended - started)}s",
    }


def save(path: Path, source: Source, out: Path) -> None:
    """One dashboard as a picture."""
    about = f"drawn from real data by `make dashboard-pictures`, {source.variables['release']}"
    content = path.read_bytes()
    figure = draw(json.loads(content), source, about)
    picture = out / f"dashboard-{path.stem}.png"
    drawn = {DRAWN_FROM: hashlib.sha256(content).hexdigest()}
    figure.savefig(picture, dpi=80, facecolor=figure.get_facecolor(), metadata=drawn)
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
