"""A NATS server on the node's address, and clients of it inside the cluster's network."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import netns
from sandbox.layout import NODE_IP
from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT, MONITORING_PORT = 14222, 18222
URL = f"nats://{NODE_IP}:{PORT}"
# Where KEDA asks.
MONITORING = f"{NODE_IP}:{MONITORING_PORT}"
# Run inside the cluster's network, where the broker is.
CLIENT = """\
import json, sys
from tests.queues.sent import Sent
from tests.queues.sides import NatsSide
url, queue, command = sys.argv[1:]
side = NatsSide(url, queue)
if command == "send":
    asked = json.load(sys.stdin)
    side.send([Sent(json.dumps(body).encode(), {"id": key}) for key, body in asked.items()])
elif command == "waiting":
    print(side.waiting())
else:
    found = {key: json.loads(text) for key, text in side.answers().items()}
    print(json.dumps({"answers": found, "dead": len(side.dead())}))
"""


class Broker:
    """NATS with JetStream on files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "{NODE_IP}:{PORT}"\nhttp: "{MONITORING}"\n'
            f'jetstream {{ store_dir: "{folder / "jetstream"}", sync_interval: always }}\n'
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv = netns.enter_argv([rendering.tool("nats-server"), "-c", self._config])
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(argv, stdout=output, stderr=output)

        def answers() -> Answer:
            done = subprocess.run(
                netns.enter_argv(["bash", "-c", f"exec 3<>/dev/tcp/{NODE_IP}/{PORT}"]),
                capture_output=True, check=False,
            )  # fmt: skip
            return Answer(done.returncode == 0, log.read_text()[-300:])

        wait_until("the broker answers", answers, 60, interval_seconds=0.2)

    def kill(self) -> None:
        """End it as a machine that goes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, queue: str, command: str, **given: Any) -> Any:
        """What a client inside the cluster's network says."""
        done = subprocess.run(
            netns.enter_argv([sys.executable, "-c", CLIENT, URL, queue, command]),
            cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout.strip() else None


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """It runs meanwhile."""
    found = Broker(folder)
    try:
        found.start()
        yield found
    finally:
        found.kill()
