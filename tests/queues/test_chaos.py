"""10,000 messages, a consumer killed every second, the broker once: each is answered once."""

from __future__ import annotations

import json
import random
import signal
import time

from sandbox.wait import Answer, wait_until
from tests.queues.consumers import Consumer, Desk
from tests.queues.processes import Broker
from tests.queues.sent import Sent
from tests.queues.test_consume import ROW

MESSAGES = 10_000
CONSUMERS = 2
KILL_SECONDS = 1.0
# Several times what it takes on a busy machine; the time that it took is printed.
DEADLINE_SECONDS = 300.0


def test_every_request_is_answered_exactly_once_whoever_is_killed(
    broker: Broker, desk: Desk
) -> None:
    chance = random.Random(15)  # noqa: S311 - which one is killed
    masses = {f"m{number}": 2700.0 + number * 0.36 for number in range(MESSAGES)}
    bodies = {
        key: json.dumps({"instances": [{**ROW, "body_mass_g": mass}]}).encode()
        for key, mass in masses.items()
    }
    started = time.monotonic()
    store = desk.store()
    consumers = [desk.consumer(**store) for _ in range(CONSUMERS)]
    sent = [Sent(body, {"id": key}) for key, body in bodies.items()]
    half = len(sent) // 2
    desk.side.send(sent[:half])
    kills = 0
    restarted = False

    def kill_one() -> None:
        nonlocal kills
        index = chance.randrange(CONSUMERS)
        consumers[index].signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        consumers[index].wait_ended()
        consumers[index] = desk.start(**store)
        kills += 1

    def is_done() -> Answer:
        nonlocal restarted
        if not restarted and kills >= 2:
            broker.restart()
            desk.side.send(sent[half:])
            restarted = True
        if not restarted or desk.side.waiting():
            kill_one()
            return Answer(False, f"{desk.side.waiting()} wait after {kills} kills")
        return Answer(True, "")

    wait_until("all are answered", is_done, DEADLINE_SECONDS, interval_seconds=KILL_SECONDS)
    answers = desk.answers()
    seconds = time.monotonic() - started
    print(f"{desk.kind}: {MESSAGES} messages, {kills} kills, a restart: {seconds:.0f} s")
    assert answers.keys() == bodies.keys()
    assert desk.side.dead() == []
    assert kills >= 3
    expected = predictions(consumers[0], masses)
    for key, text in answers.items():
        answer = json.loads(text)
        assert (answer["id"], answer["status"]) == (key, 200)
        assert answer["data"]["predictions"][0]["probability"] == expected[key], key


def predictions(consumer: Consumer, masses: dict[str, float]) -> dict[str, list[float]]:
    """What each is to be answered, by HTTP, in large requests."""
    consumer.wait_ready()
    keys = list(masses)
    found: dict[str, list[float]] = {}
    for start in range(0, len(keys), 100):
        part = keys[start : start + 100]
        rows = [{**ROW, "body_mass_g": masses[key]} for key in part]
        reply = consumer.client.post("/predict", json={"instances": rows})
        assert reply.status_code == 200
        values = [one["probability"] for one in reply.json()["predictions"]]
        found |= dict(zip(part, values, strict=True))
    assert len({tuple(value) for value in found.values()}) > 10
    return found
