"""What the clients of Kafka are told by a URL and by variables."""

from __future__ import annotations

import ssl

import pytest

from app.consume.brokers.kafka_cluster import options
from app.consume.settings import QueueSettings


def told(url: str, **more: str) -> dict[str, object]:
    found = options(QueueSettings.from_environ({"QUEUE_URL": url, "QUEUE_GROUP": "g", **more}))
    assert found.pop("client_id") == "g"
    return found


def test_several_brokers_without_a_user() -> None:
    assert told("kafka://a:9092,b:9092") == {
        "bootstrap_servers": "a:9092,b:9092",
        "security_protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("url", "more"),
    [
        pytest.param("kafka+ssl://me:p%40ss@a:9092/", {}, id="in the URL"),
        pytest.param(
            "kafka+ssl://a:9092", {"QUEUE_USER": "me", "QUEUE_PASSWORD": "p@ss"}, id="beside it"
        ),
    ],
)
def test_a_user_over_tls(url: str, more: dict[str, str]) -> None:
    found = told(url, **more)
    assert isinstance(found.pop("ssl_context"), ssl.SSLContext)
    assert found == {
        "bootstrap_servers": "a:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "me",
        "sasl_plain_password": "p@ss",
    }


def test_another_mechanism_is_in_the_url() -> None:
    found = told("kafka://me:x@a:9092?mechanism=SCRAM-SHA-512")
    assert (found["sasl_mechanism"], found["security_protocol"]) == (
        "SCRAM-SHA-512",
        "SASL_PLAINTEXT",
    )
