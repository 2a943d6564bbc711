"""What no retry helps against ends the consumer, with the way out."""

from __future__ import annotations

import json
from pathlib import Path

from tests import trained
from tests.app import live
from tests.ports import free_port
from tests.queues.conftest import Shared


def refusal(folder: Path, **environ: str) -> dict[str, str]:
    """The last line of a consumer that does not start."""
    own = {
        "MODEL_DIR": str(trained.bundle("penguins")),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
    }
    done = live.run_to_end({**own, "TMPDIR": str(folder), **environ}, "app.consume")
    assert done.returncode == 3, done.stdout
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_rabbitmq_lets_nobody_in_whom_it_does_not_know(shared: Shared, tmp_path: Path) -> None:
    url = f"amqp://nobody:wrong@127.0.0.1:{shared.get('rabbitmq').port}/"
    found = refusal(tmp_path, QUEUE_URL=url)
    assert found["event"] == "queue_refused"
    assert "RabbitMQ does not let us" in found["what"]
    assert "QUEUE_USER" in found["fix"]
    assert "wrong" not in json.dumps(found)


def test_kafka_says_which_sessions_it_takes(shared: Shared, tmp_path: Path) -> None:
    found = refusal(tmp_path, QUEUE_URL=shared.get("kafka").url, QUEUE_ACK_SECONDS="3600")
    assert found["event"] == "queue_refused"
    assert "QUEUE_ACK_SECONDS" in found["fix"]
