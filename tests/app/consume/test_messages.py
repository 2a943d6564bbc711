"""A message -> the request in it, held to the SDK of CloudEvents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudevents.core.bindings import amqp, http, kafka, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from app.consume.messages import MAX_KEY, Message, key_of, read

# What a header can carry, and a browser's address line too.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
WORDS = TEXT.map(str.strip).filter(bool)
FORMAT = JSONFormat()


def message(body: bytes = b"", headers: dict[str, str] | None = None, **more: Any) -> Message:
    """A message in its first delivery."""
    lower = {name.lower(): text for name, text in (headers or {}).items()}
    return Message(body, lower, "7", 1, None, None, **more)


def event(identity: str, source: str, **more: Any) -> CloudEvent:
    """An event as a client makes it."""
    attributes = {
        "id": identity,
        "source": source,
        "type": "t",
        "specversion": "1.0",
        "datacontenttype": "application/json",
        **more,
    }
    return CloudEvent(attributes, {"instances": [[1, 2.5]]})


@given(WORDS, WORDS)
def test_every_binding_of_the_sdk_is_read(identity: str, source: str) -> None:
    made = event(identity, source, path="/predict", traceparent="00-1-2-01")
    of_http = http.to_binary(made, FORMAT)
    of_kafka = kafka.to_binary(made, FORMAT)
    of_rabbitmq = rabbitmq.to_binary(made, FORMAT)
    of_amqp = amqp.to_binary(made, FORMAT)
    whole = http.to_structured(made, FORMAT)
    messages = [
        message(of_http.body, of_http.headers, is_encoded=True),
        message(
            of_kafka.value or b"",
            {name: text.decode() for name, text in of_kafka.headers.items()},
        ),
        message(of_rabbitmq.body, {name: str(text) for name, text in of_rabbitmq.headers.items()}),
        message(
            of_amqp.application_data,
            {name: str(text) for name, text in of_amqp.application_properties.items()},
        ),
        message(whole.body, whole.headers),
    ]
    for each in messages:
        asked = read(each)
        assert asked.refused is None
        assert (asked.id, asked.source, asked.path) == (identity, source, "/predict")
        assert json.loads(asked.body) == {"instances": [[1, 2.5]]}
        assert asked.headers["content-type"] == "application/json"
        assert asked.headers["traceparent"] == "00-1-2-01"


@given(st.tuples(st.text(), WORDS), st.tuples(st.text(), WORDS))
def test_keys_are_as_distinct_as_id_and_source(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    keys = [key_of(identity, source) for source, identity in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(WORDS | TEXT.map(lambda text: text * 60))
def test_a_key_is_a_token_of_nats_and_a_name_of_a_file(identity: str) -> None:
    key = key_of(identity)
    assert set(key).isdisjoint(" .*>/\\\0")
    assert key.isascii()
    assert 0 < len(key) <= MAX_KEY


def test_an_id_is_looked_for_where_clients_put_it() -> None:
    assert read(message(headers={"id": "a", "message-id": "b"})).id == "a"
    assert read(message(headers={"Message-Id": "b"})).id == "b"
    assert read(message(headers={"Nats-Msg-Id": "c"})).id == "c"
    assert read(message()).id == "7"


def test_numbers_of_a_structured_event_stay_as_they_are_written() -> None:
    # Neither 0.1 as a binary fraction nor one of two equal keys is for us to choose.
    data = '{"instances":[[0.10000000000000000000001, 12345678901234567890]],"instances":[]}'
    body = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{data}}}'.encode()
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert read(message(body, headers)).body == data.encode()


def test_data_of_an_event_may_be_text_or_bytes() -> None:
    headers = {"content-type": "application/cloudevents+json"}
    common = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
    rows = {**common, "datacontenttype": "text/csv", "data": "a,b\n1,2\n"}
    asked = read(message(json.dumps(rows).encode(), headers))
    assert (asked.body, asked.headers["content-type"]) == (b"a,b\n1,2\n", "text/csv")
    tensors = {**common, "datacontenttype": "application/octet-stream", "data_base64": "AP8="}
    assert read(message(json.dumps(tensors).encode(), headers)).body == b"\x00\xff"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_is_known_in_every_way_to_write_it(kind: str) -> None:
    headers = {"content-type": "application/cloudevents+json"}
    body = f'{{"id":"1","datacontenttype":"{kind}","data":{{"a": 1}}}}'.encode()
    asked = read(message(body, headers))
    assert asked.refused is None
    assert asked.body == b'{"a": 1}'


def test_an_event_without_a_bottom_is_refused() -> None:
    body = b'{"id":"1","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    refused = read(message(body, {"content-type": "application/cloudevents+json"})).refused
    assert refused is not None
    assert refused.status == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"id":7}', b'{"id":"1","data_base64":"*"}',
     b'{"id":"1","datacontenttype":"text/csv","data":{}}', b"\xff"],
)  # fmt: skip
def test_what_is_no_event_is_refused_under_its_place(body: bytes) -> None:
    asked = read(message(body, {"content-type": "application/cloudevents+json"}))
    assert asked.refused is not None
    assert (asked.refused.status, asked.key) == (400, "7")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:01:00Z", 60), ("1970-01-01T01:00:30.5+01:00", 30.5)],
)
def test_a_deadline_is_a_moment(text: str, seconds: float) -> None:
    assert read(message(headers={"ce-deadline": text})).deadline == seconds
    assert read(message(headers={"deadline": text})).deadline == seconds


@pytest.mark.parametrize("text", ["tomorrow", "2030-01-01T00:00:00", "12", "2030-13-01T00:00:00Z"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    refused = read(message(headers={"deadline": text})).refused
    assert refused is not None
    assert text[:10] in refused.detail
