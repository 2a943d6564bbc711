"""What becomes of a message, on real brokers: answered once, refused, late, given up, or left."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from sandbox.wait import Answer, wait_until
from tests.app import live
from tests.queues.consumers import Consumer, Desk
from tests.queues.processes import Broker
from tests.queues.sent import Sent

DEADLINE_SECONDS = 60.0
ROW = {"bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181.0,
       "body_mass_g": 3750.0, "island": "Torgersen", "sex": "male"}  # fmt: skip
REQUEST = json.dumps({"instances": [ROW]}).encode()
WRONG = json.dumps({"instances": [{**ROW, "island": 7}]}).encode()


def until(what: str, found: Any) -> None:
    """Until it is true; the deadline is far beyond what it takes."""
    wait_until(what, lambda: Answer(bool(found()), ""), DEADLINE_SECONDS, interval_seconds=0.05)


def answered(desk: Desk, count: int) -> dict[str, dict[str, Any]]:
    """All answers as documents, once there are so many and nothing waits."""
    until(f"{count} answers", lambda: desk.side.waiting() == 0)
    answers = {key: json.loads(text) for key, text in desk.answers().items()}
    assert len(answers) == count, sorted(answers)
    return answers


def by_http(body: bytes, path: str = "/predict") -> Any:
    """What a service answers."""
    reply = live.shared("penguins").client.post(
        path, content=body, headers={"content-type": "application/json"}
    )
    assert reply.status_code == 200
    return reply.json()


def without_id(document: dict[str, Any]) -> dict[str, Any]:
    """A reply without what is of one request."""
    return {key: value for key, value in document.items() if key not in ("request_id", "id")}


def test_answers_are_those_of_the_service_in_every_mode_of_a_message(desk: Desk) -> None:
    tensors = [
        {"name": name, "shape": [1, 1], "datatype": "BYTES" if isinstance(value, str) else "FP64",
         "data": [value]}
        for name, value in ROW.items()
    ]  # fmt: skip
    v2 = json.dumps({"inputs": tensors}).encode()
    attributes = {
        "id": "a b/ä%41.1",
        "source": "/shop.de/orders",
        "type": "t",
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    other = {**attributes, "id": "s"}
    structured = http.to_structured(CloudEvent(other, json.loads(REQUEST)), JSONFormat())
    path = "/v2/models/penguins/infer"
    desk.side.send(
        [
            Sent(REQUEST, {"id": "plain"}),
            desk.side.event(CloudEvent(attributes, json.loads(REQUEST))),
            Sent(structured.body, structured.headers),
            Sent(v2, {"ce-id": "v2", "ce-path": path}),
            Sent(REQUEST),
        ]
    )
    desk.consumer()
    answers = answered(desk, 5)
    expected = without_id(by_http(REQUEST))
    for key in ("plain", "/shop.de/orders/a b/ä%41.1", "/shop.de/orders/s"):
        event = answers.pop(key)
        assert (event["status"], without_id(event["data"])) == (200, expected)
        assert event["id"] == key.rpartition("/orders/")[2]
    assert without_id(answers.pop("v2")["data"]) == without_id(by_http(v2, path))
    # A message without an id is answered as well, under its place in the queue.
    (left,) = answers.values()
    assert without_id(left["data"]) == expected


def test_an_answer_is_a_cloud_event(desk: Desk) -> None:
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    desk.consumer()
    (text,) = [json.dumps(answer) for answer in answered(desk, 1).values()]
    event = JSONFormat().read(CloudEvent, text)
    assert (event.get_id(), event.get_type()) == ("1", "io.ml-model.prediction")
    assert event.get_source().startswith("/v2/models/penguins/versions/")
    assert event.get_extension("status") == 200
    data: Any = event.get_data()
    assert data["predictions"]


def test_a_refused_request_is_a_dead_letter_at_once_and_its_answer_says_why(desk: Desk) -> None:
    desk.side.send(
        [
            Sent(WRONG, {"id": "wrong", "x-mine": "kept"}),
            Sent(b"{", {"id": "broken"}),
            Sent(b"{}", {"id": "nowhere", "path": "/health"}),
            Sent(b"x" * 2_000, {"id": "large"}),
            Sent(REQUEST, {"id": "when", "ce-deadline": "tomorrow"}),
            Sent(b"{}", {"content-type": "application/cloudevents+json"}),
        ]
    )
    consumer = desk.consumer(MAX_BODY_BYTES="1000")
    answers = answered(desk, 6)
    dead = desk.side.dead()
    statuses = {key: answer["status"] for key, answer in answers.items()}
    assert {statuses.pop(key) for key in ("broken", "when")} == {400}
    assert (statuses.pop("wrong"), statuses.pop("nowhere"), statuses.pop("large")) == (
        422,
        404,
        413,
    )
    assert list(statuses.values()) == [400]
    assert len(dead) == 6
    assert {letter.body for letter in dead} == {WRONG, b"{", b"{}", b"x" * 2_000, REQUEST}
    (wrong,) = [letter for letter in dead if letter.headers.get("id") == "wrong"]
    assert wrong.headers["x-mine"] == "kept"
    problem = json.loads(wrong.headers["problem"])
    assert problem == answers["wrong"]["data"]
    assert problem["errors"][0]["loc"] == ["instances", 0, "island"]
    assert (consumer.results()["refused"], consumer.results()["retried"]) == (6, 0)


def test_a_long_problem_is_with_the_answer_alone(desk: Desk) -> None:
    body = json.dumps({"instances": [{**ROW, "island": 7}] * 90}).encode()
    desk.side.send([Sent(body, {"id": "long"})])
    desk.consumer()
    (answer,) = answered(desk, 1).values()
    (letter,) = desk.side.dead()
    assert len(answer["data"]["errors"]) == 90
    assert letter.body == body
    assert json.loads(letter.headers["problem"])["type"].endswith("see-answer")


def test_a_request_as_large_as_the_broker_takes_is_kept_too(desk: Desk) -> None:
    body = b"x" * (1024 * 1024 - 100)
    desk.side.send([Sent(body, {"id": "large"})])
    desk.consumer(MAX_BODY_BYTES="1000")
    (answer,) = answered(desk, 1).values()
    (letter,) = desk.side.dead()
    assert (answer["status"], letter.body == body) == (413, True)


def test_a_problem_may_quote_any_text(desk: Desk) -> None:
    body = json.dumps({"instances": [{**ROW, "größe \U0001f427": 1}]}).encode()
    desk.side.send([Sent(body, {"id": "1"})])
    desk.consumer()
    (answer,) = answered(desk, 1).values()
    (letter,) = desk.side.dead()
    assert "größe \U0001f427" in json.dumps(answer["data"], ensure_ascii=False)
    assert json.loads(letter.headers["problem"]) == answer["data"]


def test_a_request_after_its_deadline_is_answered_so_and_is_no_dead_letter(desk: Desk) -> None:
    now = datetime.now(UTC)
    desk.side.send(
        [
            Sent(REQUEST, {"id": "late", "deadline": (now - timedelta(seconds=1)).isoformat()}),
            Sent(REQUEST, {"id": "soon", "deadline": (now + timedelta(hours=1)).isoformat()}),
        ]
    )
    consumer = desk.consumer()
    answers = answered(desk, 2)
    assert {key: answer["status"] for key, answer in answers.items()} == {"late": 504, "soon": 200}
    assert desk.side.dead() == []
    assert consumer.results()["expired"] == 1


def test_a_request_that_is_sent_twice_is_answered_once(desk: Desk) -> None:
    consumer = desk.consumer(**desk.store())
    desk.side.send([Sent(REQUEST, {"id": "twice"})])
    first = answered(desk, 1)
    desk.side.send([Sent(REQUEST, {"id": "twice"}), Sent(REQUEST, {"id": "twice"})])
    until("both are settled", lambda: consumer.results()["duplicate"] == 2)
    assert answered(desk, 1) == first


def test_without_a_store_of_keys_a_request_that_is_sent_twice_is_answered_twice(
    desk: Desk,
) -> None:
    consumer = desk.consumer()
    desk.side.send([Sent(REQUEST, {"id": "twice"}), Sent(REQUEST, {"id": "twice"})])
    until("both are settled", lambda: sum(consumer.results().values()) == 2)
    count = 1 if desk.side.has_keys else 2
    assert (consumer.results()["answered"], consumer.results()["duplicate"]) == (count, 2 - count)
    answered(desk, 1)


def test_the_same_id_of_two_sources_is_two_requests(desk: Desk) -> None:
    desk.side.send([Sent(REQUEST, {"ce-id": "1", "ce-source": name}) for name in ("a", "b")])
    desk.consumer()
    assert sorted(answered(desk, 2)) == ["a/1", "b/1"]


def test_who_is_told_to_end_finishes_what_it_holds(desk: Desk) -> None:
    consumer = desk.consumer()
    desk.side.send([Sent(REQUEST, {"id": str(number)}) for number in range(300)])
    until("some are answered", lambda: consumer.results()["answered"] > 20)
    assert consumer.terminate() == 0
    (stopped,) = consumer.events("consumer_stopped")
    assert stopped["messages"]["released"] == 0
    answers = desk.answers()
    assert len(answers) == stopped["messages"]["answered"]
    assert desk.side.waiting() == 300 - len(answers)
    # Another one goes on with the rest, without waiting for signs of life.
    desk.consumer()
    answered(desk, 300)


def test_a_consumer_that_hangs_loses_its_messages_to_another(desk: Desk) -> None:
    first = desk.consumer()
    first.signal(signal.SIGSTOP)
    desk.side.send([Sent(REQUEST, {"id": str(number)}) for number in range(50)])
    desk.consumer()
    answered(desk, 50)
    first.signal(signal.SIGCONT)


def test_answers_can_go_to_a_folder(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    consumer = desk.consumer(REPLY_URL=f"file://{folder}")
    desk.side.send([Sent(REQUEST, {"ce-id": "1", "ce-source": "/a b"}), Sent(WRONG, {"id": "2"})])
    until("both are settled", lambda: desk.side.waiting() == 0)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
    assert names == ["%2Fa%20b/1.json", "2.json"]
    desk.side.send([Sent(REQUEST, {"id": "2"})])
    until("it is settled", lambda: consumer.results()["duplicate"] == 1)
    assert json.loads((folder / "2.json").read_text())["status"] == 422


def test_while_the_store_does_not_answer_messages_wait(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.write_text("in the way")
    consumer = desk.start(REPLY_URL=f"file://{folder}")
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    consumer.wait_until("reported", lambda: consumer.events("queue_unavailable"))
    assert consumer.client.get("/ready").status_code == 503
    assert consumer.client.get("/health").status_code == 200
    folder.unlink()
    consumer.wait_ready()
    until("it is settled", lambda: desk.side.waiting() == 0)
    assert (folder / "1.json").is_file()
    assert desk.side.dead() == []


PROGRAM = """
import os, sys, time
from app import environment
environment.prepare()
from app.service import Service
answer = Service.answer
def fail(self, body, *others):
    if b"36.123457" in body:
        {fault}
    return answer(self, body, *others)
Service.answer = fail
from app.consume.__main__ import main
sys.exit(main())
"""
FATAL = json.dumps({"instances": [{**ROW, "bill_length_mm": 36.123457}]}).encode()


class Failing(Consumer):
    """A consumer with a fault for one row."""

    command = (sys.executable, "-c", PROGRAM.format(fault='raise RuntimeError("a fault of ours")'))


class Dying(Consumer):
    """A consumer that one row kills, as when it needs more memory than there is."""

    command = (sys.executable, "-c", PROGRAM.format(fault="os._exit(137)"))


def test_a_fault_of_ours_is_tried_again_and_then_a_dead_letter(desk: Desk) -> None:
    desk.side.send([Sent(FATAL, {"id": "fault"}), Sent(REQUEST, {"id": "fine"})])
    consumer = desk.consumer(Failing, QUEUE_MAX_DELIVERIES="3")
    answers = answered(desk, 2)
    assert (answers["fault"]["status"], answers["fine"]["status"]) == (500, 200)
    assert "a fault of ours" not in json.dumps(answers)
    (letter,) = desk.side.dead()
    assert letter.body == FATAL
    assert (consumer.results()["retried"], consumer.results()["failed"]) == (2, 1)


def test_a_message_is_held_while_nobody_says_whether_it_has_an_answer(
    desk: Desk, tmp_path: Path
) -> None:
    """Released, it would be delivered again and again, and be a dead letter in the end."""
    folder = tmp_path / "answers"
    consumer = desk.consumer(Failing, REPLY_URL=f"file://{folder}", QUEUE_MAX_DELIVERIES="4")
    folder.write_text("in the way")
    desk.side.send([Sent(FATAL, {"id": "fault"})])
    until("the store is missed", lambda: consumer.events("queue_unavailable"))
    folder.unlink()
    until("it is settled", lambda: desk.side.waiting() == 0)
    assert consumer.results()["released"] == 0
    assert json.loads((folder / "fault.json").read_text())["status"] == 500
    assert len(desk.side.dead()) == 1


@pytest.mark.parametrize("kind", ["nats"])
def test_a_store_that_does_not_answer_is_not_called_the_queue(desk: Desk, tmp_path: Path) -> None:
    """Not even by what is told to end meanwhile."""
    folder = tmp_path / "answers"
    consumer = desk.consumer(REPLY_URL=f"file://{folder}")
    folder.write_text("in the way")
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    until("the store is missed", lambda: consumer.events("queue_unavailable"))
    consumer.signal(signal.SIGTERM)
    assert consumer.wait_ended() == 0
    assert {line["what"] for line in consumer.events("queue_unavailable")} == {"replies"}


def test_a_message_that_kills_pods_is_given_up(desk: Desk) -> None:
    desk.side.send([Sent(FATAL, {"id": "fatal"}), Sent(REQUEST, {"id": "fine"})])
    for _ in range(2):
        consumer = desk.start(Dying, QUEUE_MAX_DELIVERIES="2")
        assert consumer.wait_ended() == 137
    desk.consumer(Dying, QUEUE_MAX_DELIVERIES="2")
    answers = answered(desk, 2)
    assert answers["fatal"]["data"]["type"].endswith("given-up")
    assert answers["fine"]["status"] == 200
    (letter,) = desk.side.dead()
    assert letter.body == FATAL


def test_metrics_say_what_waits_and_since_when(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    consumer = desk.consumer(REPLY_URL=f"file://{folder}")
    folder.write_text("in the way")
    desk.side.send([Sent(REQUEST, {"id": str(number)}) for number in range(3)])
    until("they wait", lambda: consumer.metric("ml_consumer_waiting") == 3)
    first = consumer.metric("ml_consumer_oldest_seconds")
    until("they get older", lambda: consumer.metric("ml_consumer_oldest_seconds") > first)
    assert consumer.metric("ml_consumer_in_flight") == 3
    assert consumer.metric("ml_consumer_connected") == 0
    folder.unlink()
    until("none waits", lambda: consumer.metric("ml_consumer_waiting") == 0)
    until("it is connected", lambda: consumer.metric("ml_consumer_connected") == 1)
    assert consumer.metric('ml_consumer_age_seconds_bucket{le="+Inf"}') == 3
    page = consumer.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert "ml_consumer_messages_total" in page.text


def test_a_broker_that_is_not_there_yet_is_waited_for(
    kind: str, broker: Broker, desk: Desk
) -> None:
    desk.side.send([Sent(REQUEST, {"id": "1"})])
    broker.kill()
    try:
        consumer = desk.start()
        consumer.wait_until("reported", lambda: consumer.events("queue_unavailable"))
        assert consumer.client.get("/ready").status_code == 503
    finally:
        broker.start()
    consumer.wait_ready()
    answered(desk, 1)
