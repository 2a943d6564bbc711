"""Requests for trainings on real brokers: one result for each, whatever happens to the trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sandbox.wait import Answer, wait_until
from tests.modelctl.training import repository
from tests.paths import ROOT
from tests.queues.consumers import Desk
from tests.queues.sent import Sent


class Trainer:
    """`modelctl train tiny --queue` as the pods of a release run it, one message for each."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.out = folder / "trained"
        self._desk, self._folder = desk, folder
        self._started: list[tuple[subprocess.Popen[str], Path]] = []

    def start(self, **environ: str) -> subprocess.Popen[str]:
        """One more, in a work folder of its own as in a pod."""
        own = {
            "QUEUE_URL": self._desk.url,
            "QUEUE_NAME": self._desk.queue,
            "QUEUE_GROUP": "tests",
            "QUEUE_ACK_SECONDS": "3",
            "QUEUE_RETRY_SECONDS": "0.1",
            "QUEUE_MAX_DELIVERIES": "3",
            "SOURCE_DATE_EPOCH": "0",
            "PYTHONPATH": str(ROOT),
        }
        root = repository.make(self._folder / f"work-{len(self._started)}")
        argv = [sys.executable, "-m", "modelctl", "train", "tiny", "--queue"]
        argv += ["--output=json", f"--out={self.out}"]
        process = subprocess.Popen(
            argv, cwd=root, env={**os.environ, **own, **self._desk.store(), **environ},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._started.append((process, root))
        return process

    def run(self) -> tuple[int, str]:
        """One more, until it ends: its exit code and what it said."""
        process = self.start()
        said = "".join(process.communicate(timeout=120))
        return process.returncode, said

    def results(self) -> list[dict[str, Any]]:
        """The documents of the store."""
        return [json.loads(path.read_text()) for path in self.out.glob("tiny/results/*.json")]

    def kill(self) -> None:
        """End all that runs at once, as a pod that loses its node."""
        for process, root in self._started:
            for found in Path("/proc").glob("[0-9]*/cwd"):
                with suppress(OSError):
                    if found.resolve() == root:
                        os.kill(int(found.parent.name), signal.SIGKILL)
            process.communicate()


# Kafka is refused (see below).
LEASING = pytest.mark.parametrize("kind", ["nats", "rabbitmq", "redis"])


@pytest.fixture
def trainer(desk: Desk, tmp_path: Path) -> Iterator[Trainer]:
    found = Trainer(desk, tmp_path)
    yield found
    found.kill()


def asked(name: str, **request: object) -> Sent:
    """A message with its id."""
    return Sent(json.dumps(request).encode(), {"id": name})


def told(desk: Desk) -> dict[str, dict[str, Any]]:
    """The answers by their ids."""
    return {key: json.loads(text) for key, text in desk.answers().items()}


@LEASING
def test_a_message_is_one_training_and_its_answer_names_the_bundle(
    desk: Desk, trainer: Trainer
) -> None:
    desk.side.send([asked("1", move=1.0), asked("2", move=2.0)])
    assert [trainer.run()[0] for _ in range(2)] == [0, 0]
    assert desk.side.waiting() == 0
    answers = told(desk)
    assert {key: answer["status"] for key, answer in answers.items()} == {"1": 200, "2": 200}
    assert {one["request"]: one["digest"] for one in trainer.results()} == {
        key: answer["data"]["digest"] for key, answer in answers.items()
    }
    for answer in answers.values():
        manifest = Path(answer["data"]["url"]) / "manifest.json"
        assert json.loads(manifest.read_text())["name"] == "tiny"
    assert answers["1"]["data"]["digest"] != answers["2"]["data"]["digest"]


@pytest.mark.parametrize("kind", ["nats"])
def test_what_is_refused_is_a_dead_letter_at_once(desk: Desk, trainer: Trainer) -> None:
    sent = [
        asked("worse", accuracy=0.5),
        asked("other", model="iris"),
        Sent(b"[1]", {"id": "list"}),
        Sent(b"{", {"id": "broken"}),
    ]
    for each in sent:
        desk.side.send([each])
        code, said = trainer.run()
        assert code == 3, said
    assert {key: answer["status"] for key, answer in told(desk).items()} == dict.fromkeys(
        ("worse", "other", "list", "broken"), 422
    )
    assert "modelctl gate tiny" in told(desk)["worse"]["data"]["detail"]
    assert [letter.body for letter in desk.side.dead()] == [each.body for each in sent]
    assert (desk.side.waiting(), trainer.results()) == (0, [])


@pytest.mark.parametrize("kind", ["nats"])
def test_a_failure_is_tried_again_and_then_a_dead_letter(desk: Desk, trainer: Trainer) -> None:
    desk.side.send([asked("1", crash=True)])
    for _ in range(3):
        code, said = trainer.run()
        assert code == 1, said
        assert "no data today" in said
    assert told(desk)["1"]["status"] == 500
    assert len(desk.side.dead()) == 1
    assert desk.side.waiting() == 0


@LEASING
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_another_trainer_takes_over_from_one_that_ends(
    how: signal.Signals, desk: Desk, trainer: Trainer, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    desk.side.send([asked("1", started=str(started), wait=str(go))])
    first = trainer.start()
    wait_until("it trains", lambda: Answer(started.exists(), ""), 60)
    if how == signal.SIGKILL:
        trainer.kill()
    else:
        first.send_signal(how)
    assert first.wait(60) != 0
    go.touch()
    ends: list[int] = []

    def is_done() -> Answer:
        # As KEDA starts another one for a message that is there.
        ends.append(trainer.run()[0])
        return Answer(bool(trainer.results()), str(ends))

    wait_until("another one has trained", is_done, 120)
    assert told(desk)["1"]["status"] == 200
    assert (started.read_text(), desk.side.waiting()) == ("xx", 0)


@LEASING
def test_a_training_longer_than_the_sign_of_life_is_not_given_to_another(
    desk: Desk, trainer: Trainer, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    desk.side.send([asked("1", started=str(started), wait=str(go))])
    first = trainer.start()
    wait_until("it trains", lambda: Answer(started.exists(), ""), 60)
    begun = time.monotonic()
    # Longer than QUEUE_ACK_SECONDS, which the second one spends with waiting for a message.
    code, said = trainer.run()
    assert time.monotonic() - begun > 3
    assert (code, json.loads(said)) == (0, {"result": None}), said
    go.touch()
    assert first.wait(60) == 0
    assert (started.read_text(), told(desk)["1"]["status"]) == ("x", 200)


@pytest.mark.parametrize("kind", ["kafka"])
def test_a_broker_that_hands_on_what_is_worked_on_is_refused(trainer: Trainer) -> None:
    code, said = trainer.run()
    assert code == 3
    assert "QUEUE_URL of NATS, Redis or RabbitMQ" in said
