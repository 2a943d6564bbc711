"""What one service computed another finds, if it may believe it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.cache.entry import Entries
from app.model.prediction import Prediction
from tests import trained
from tests.app.cache import asked
from tests.app.live import LiveService
from tests.app.traffic import BODY
from tests.cache.redises import OTHER_ROW, PATIENT_MS, Asker, Redis, wait
from tests.certificates import authority
from tests.ports import free_port
from tests.queues import brokers

Share = Callable[..., Asker]


def written(redis: Redis, asker: Asker) -> str:
    """The key of the one prediction that a service computes."""
    asker.wait_connected()
    asker.ask()
    wait("written", redis.keys)
    (key,) = redis.keys()
    return key


def test_another_service_finds_what_one_has_computed(redis: Redis, share: Share) -> None:
    one, other = share(redis.url), share(redis.url)
    other.wait_connected()
    key = written(redis, one)
    other.ask()
    assert (one.counts(), other.counts()) == ({"miss": 1}, {"redis": 1})
    assert re.fullmatch(r"ml-cache:iris:[0-9a-f]{64}", key)
    assert 3_590_000 < int(redis.say("PTTL", key)) <= 3_600_000


def test_an_entry_goes_when_its_time_is_over(redis: Redis, share: Share) -> None:
    asker = share(redis.url, CACHE_TTL_SECONDS="1")
    written(redis, asker)
    wait("gone", lambda: not redis.keys())
    asker.ask()
    assert asker.counts() == {"miss": 2}


def test_what_was_found_is_in_memory_then(redis: Redis, share: Share) -> None:
    one, other = share(redis.url), share(redis.url, CACHE_BYTES="100000")
    other.wait_connected()
    written(redis, one)
    for _ in range(3):
        other.ask()
    assert other.counts() == {"redis": 1, "memory": 2}


def test_another_bundle_finds_nothing(redis: Redis, share: Share) -> None:
    one, other = share(redis.url), share(redis.url, bundle=trained.bundle("iris", "sklearn"))
    other.wait_connected()
    written(redis, one)
    other.ask()
    assert other.counts() == {"miss": 1}


def test_pods_with_another_secret_share_nothing(redis: Redis, share: Share) -> None:
    one, same, other, none = (
        share(redis.url, **environ)
        for environ in (*[{"CACHE_SECRET": "s" * 16}] * 2, {"CACHE_SECRET": "t" * 16}, {})
    )
    for asker in (same, other, none):
        asker.wait_connected()
    written(redis, one)
    for asker in (same, other, none):
        asker.ask()
    assert [asker.counts() for asker in (same, other, none)] == [
        {"redis": 1},
        {"miss": 1},
        {"miss": 1},
    ]


def spoil_text(redis: Redis, key: str) -> None:
    redis.say("SET", key, "no entry of ours")


def spoil_end(redis: Redis, key: str) -> None:
    redis.say("APPEND", key, "x")


def spoil_byte(redis: Redis, key: str) -> None:
    redis.say("SETRANGE", key, "20", "~")


def spoil_kind(redis: Redis, key: str) -> None:
    redis.say("DEL", key)
    redis.say("LPUSH", key, "a", "list")


def spoil_size(redis: Redis, key: str) -> None:
    redis.say("SETRANGE", key, str(200 * 1024 * 1024), "x")


def spoil_pickle(redis: Redis, key: str) -> None:
    redis.say("SET", key, stdin=b"\x80\x04cos\nsystem\n(S'touch /tmp/pwned'\ntR.")


@pytest.mark.parametrize(
    "spoil",
    [spoil_text, spoil_end, spoil_byte, spoil_kind, spoil_size, spoil_pickle],
    ids=lambda spoil: spoil.__name__.removeprefix("spoil_"),
)
def test_what_is_no_entry_is_a_miss_that_is_counted(
    redis: Redis, share: Share, spoil: Callable[[Redis, str], None]
) -> None:
    one, other = share(redis.url), share(redis.url)
    other.wait_connected()
    key = written(redis, one)
    spoil(redis, key)
    sent = redis.sent_bytes()
    other.ask()
    # However much somebody has put there.
    assert redis.sent_bytes() - sent < 2 * 1024 * 1024
    counts = other.counts()
    assert (counts.pop("error-invalid"), counts.pop("miss")) == (1, 1)
    assert counts == {}
    # It is right again, but where Redis keeps another type.
    if spoil is not spoil_kind:
        wait("written again", lambda: len(redis.read(key)) < 1000)
        one.ask()
        assert one.counts() == {"miss": 1, "redis": 1}


def test_an_entry_of_other_rows_is_not_believed(redis: Redis, share: Share) -> None:
    one, other = share(redis.url), share(redis.url)
    other.wait_connected()
    key = written(redis, one)
    one.ask(OTHER_ROW)
    wait("both written", lambda: len(redis.keys()) == 2)
    (second,) = set(redis.keys()) - {key}
    redis.say("COPY", second, key, "REPLACE")
    other.ask()
    assert other.counts() == {"error-invalid": 1, "miss": 1}


@pytest.mark.parametrize("secret", ["", "s" * 16], ids=["open", "secret"])
def test_a_forged_answer_needs_the_secret(redis: Redis, share: Share, secret: str) -> None:
    """Without one, whoever may write to Redis decides what the model answers."""
    environ = {"CACHE_SECRET": secret} if secret else {}
    one, other = share(redis.url, **environ), share(redis.url, **environ)
    other.wait_connected()
    key = written(redis, one)
    # All that the code says, and nothing else, is known to who forges.
    entries = Entries(one.service.contract.output)
    content = entries.encode(Prediction(["virginica"], np.array([[0.0, 0.0, 1.0]])))
    forged = entries.seal(bytes.fromhex(key.rpartition(":")[2]), content)
    redis.say("SET", key, stdin=forged)
    assert redis.read(key) == forged
    assert other.service.cache is not None
    batch = asked.batch(other.service, [[5.1, 3.5, 1.4, 0.2]])
    found = other.service.cache.predict(batch, asked.soon())
    assert found.values == (["setosa"] if secret else ["virginica"])
    assert other.counts() == ({"error-invalid": 1, "miss": 1} if secret else {"redis": 1})


def test_a_user_needs_three_commands_and_its_keys(own: Redis, share: Share) -> None:
    own.say("ACL", "SETUSER", "cache", "on", ">word", "~ml-cache:iris:*", "+getrange", "+set",
            "+ping")  # fmt: skip
    environ = {"CACHE_USER": "cache", "CACHE_PASSWORD": "word"}
    one, other = share(own.url, **environ), share(own.url, **environ)
    other.wait_connected()
    written(own, one)
    other.ask()
    assert (one.counts(), other.counts()) == ({"miss": 1}, {"redis": 1})


def test_it_is_shared_by_tls_with_who_trusts_it(tmp_path: Path, share: Share) -> None:
    trusted = authority(tmp_path / "ca")
    ca, (certificate, key) = trusted.ca, trusted.issue("redis")
    port = free_port()
    given = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key,
             "--tls-ca-cert-file", ca)  # fmt: skip
    with brokers.redis(tmp_path, *given, "--tls-auth-clients", "optional") as broker:
        redis, url = Redis(broker), f"rediss://127.0.0.1:{port}"
        files = {"CACHE_CERT": str(certificate), "CACHE_KEY": str(key)}
        one, other = share(url, CACHE_CA=str(ca)), share(url, CACHE_CA=str(ca), **files)
        stranger = share(url)
        other.wait_connected()
        written(redis, one)
        other.ask()
        assert other.counts() == {"redis": 1}
        wait("refused", lambda: stranger.counts().get("error-connection", 0))
        stranger.ask()
        assert not stranger.is_connected


def test_workers_share_and_so_does_one_that_is_replaced(
    redis: Redis, start: Callable[..., LiveService]
) -> None:
    service = start(
        trained.slow_bundle(), WORKERS="2", CACHE_URL=redis.url, CACHE_BUDGET_MS=PATIENT_MS
    )
    service.wait_until("connected", lambda: service.metric("ml_cache_connected") == 2)
    assert service.client.post("/predict", json=BODY).status_code == 200
    wait("written", redis.keys)
    for number in range(20):
        # A connection of its own, which either of them takes.
        service.reconnect()
        response = service.client.post("/predict", json=BODY)
        assert response.json()["prediction"] == "setosa", number
    # Each worker tells its own now and then.
    service.wait_until(
        "counted", lambda: service.metric(r'ml_cache_hits_total\{level="redis"\}') == 20
    )
    service.wait_until("counted", lambda: service.metric("ml_cache_misses_total") == 1)
    os.kill(service.workers()[0], signal.SIGKILL)
    service.wait_until("replaced", lambda: len(service.events("cache_connected")) == 3)
    service.reconnect()
    service.wait_until("connected", lambda: service.metric("ml_cache_connected") == 2)


def test_an_event_loop_goes_on_while_a_request_waits_for_redis(
    own: Redis, start: Callable[..., LiveService]
) -> None:
    """However fast the model is: probes are answered while Redis says nothing."""
    service = start(trained.bundle("iris"), WORKERS="1", CACHE_URL=own.url, CACHE_BUDGET_MS="1000")
    service.wait_until("connected", lambda: service.metric("ml_cache_connected") == 1)
    assert service.client.post("/predict", json=BODY).status_code == 200
    service.wait_until("written", own.keys)
    assert service.client.post("/predict", json=BODY).status_code == 200
    assert service.metric(r'ml_cache_hits_total\{level="redis"\}') == 1
    before = service.metric("ml_cache_wait_seconds_total")
    assert 0 < before < 0.5
    own.pause()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.client.post, "/predict", json=BODY)
        service.wait_until("waiting", lambda: service.metric("ml_requests_in_flight") == 1)
        assert service.client.get("/health").status_code == 200
        assert not waiting.done()
        assert waiting.result().json()["prediction"] == "setosa"
    assert service.metric(r'ml_cache_errors_total\{reason="timeout"\}') == 1
    # The whole budget, and hardly more.
    assert 1 <= service.metric("ml_cache_wait_seconds_total") - before < 1.5
    own.go_on()
