"""Whatever state Redis is in, requests are answered by the engine, and soon cost nothing more."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import pytest

from app.cache.remote import MAX_LATE
from tests import trained
from tests.app.live import LiveService
from tests.app.traffic import BODY
from tests.cache.redises import OTHER_ROW, PATIENT_MS, ROW, Asker, Proxy, Redis, wait
from tests.observability import loglines
from tests.ports import free_port

Share = Callable[..., Asker]
# Of a machine that does other things as well; what is measured is a hundred times longer.
SLACK_SECONDS = 0.5


@pytest.fixture
def proxied(redis: Redis) -> Iterator[Proxy]:
    """Something before the Redis that takes its time."""
    proxy = Proxy(redis.broker.port)
    yield proxy
    proxy.close()


def rows(count: int) -> list[list[float]]:
    """Rows that nobody has asked before."""
    return [[5.0 + number / 1000, 3.0, 1.0, 0.5] for number in range(count)]


def test_redis_is_killed_and_comes_back(own: Redis, share: Share) -> None:
    asker = share(own.url)
    asker.wait_connected()
    asker.ask()
    wait("written", own.keys)
    own.broker.kill()
    for row in rows(20):
        asker.ask(row)
    counts = asker.counts()
    assert counts["miss"] == 21
    assert counts["error-connection"] >= 1
    assert counts.get("error-timeout", 0) == 0
    own.broker.start()
    asker.wait_connected()
    asker.ask()
    assert asker.counts()["redis"] == 1


def test_redis_is_not_there_when_the_service_starts(share: Share, own: Redis) -> None:
    own.broker.kill()
    asker = share(own.url)
    for row in rows(20):
        asker.ask(row)
    wait("tried", lambda: asker.counts().get("error-connection", 0) > 1)
    own.broker.start()
    asker.wait_connected()


def test_a_name_that_does_not_exist_stops_nobody(share: Share) -> None:
    asker = share("redis://no-such-host.invalid:6379/0")
    for row in rows(5):
        asker.ask(row)
    wait("tried", lambda: asker.counts().get("error-connection", 0))


def test_a_redis_that_hangs_costs_its_budget_three_times(own: Redis, share: Share) -> None:
    asker = share(own.url, CACHE_BUDGET_MS="300")
    asker.wait_connected()
    asker.ask()
    own.pause()
    times = [asker.timed(row) for row in rows(30)]
    assert [seconds > 0.29 for seconds in times] == [True] * MAX_LATE + [False] * (30 - MAX_LATE)
    # Nor does what was to be written hold up the next ones.
    assert sum(times) < MAX_LATE * 0.3 + SLACK_SECONDS
    counts = asker.counts()
    assert (counts["miss"], counts["error-timeout"]) == (31, MAX_LATE)
    asker.wait_connected(to=False)
    own.go_on()
    asker.wait_connected()
    asker.ask(OTHER_ROW)
    wait("written", lambda: len(own.keys()) >= 2)
    asker.ask(OTHER_ROW)
    assert asker.counts()["redis"] >= 1


def test_a_port_that_accepts_and_says_nothing_stops_nobody(share: Share) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        asker = share(f"redis://127.0.0.1:{mute.getsockname()[1]}/0", CACHE_BUDGET_MS="300")
        assert sum(asker.timed(row) for row in rows(30)) < SLACK_SECONDS
        wait("tried", lambda: asker.counts().get("error-connection", 0))
        assert not asker.is_connected


def test_what_speaks_another_protocol_stops_nobody(
    share: Share, start: Callable[..., LiveService]
) -> None:
    other = start(trained.bundle("iris"), WORKERS="1")
    asker = share(f"redis://127.0.0.1:{other.port}/0")
    asker.ask()
    wait("tried", lambda: asker.counts().get("error-connection", 0))
    assert not asker.is_connected


def test_a_redis_that_is_always_late_is_not_asked(
    redis: Redis, proxied: Proxy, share: Share
) -> None:
    proxied.delay = 0.05
    asker = share(f"redis://127.0.0.1:{proxied.port}/0", CACHE_BUDGET_MS="20")
    for row in rows(10):
        asker.ask(row)
    assert asker.counts() == {"miss": 10}
    proxied.delay = 0.0
    asker.wait_connected()


def test_a_redis_that_becomes_late_is_not_asked_after_three_times(
    redis: Redis, proxied: Proxy, share: Share
) -> None:
    asker = share(f"redis://127.0.0.1:{proxied.port}/0", CACHE_BUDGET_MS="200")
    asker.wait_connected()
    proxied.delay = 0.4
    times = [asker.timed(row) for row in rows(20)]
    assert sum(seconds > 0.19 for seconds in times) == MAX_LATE
    assert asker.counts()["error-timeout"] == MAX_LATE


def test_a_full_redis_is_still_read(own: Redis, share: Share) -> None:
    asker = share(own.url)
    asker.wait_connected()
    asker.ask()
    wait("written", own.keys)
    own.say("CONFIG", "SET", "maxmemory", "1")
    for row in rows(20):
        asker.ask(row)
    asker.ask()
    counts = asker.counts()
    assert (counts["miss"], counts["redis"]) == (21, 1)
    # It is not asked again and again to keep what it cannot.
    assert counts["error-refused"] == 1
    assert len(own.keys()) == 1
    assert asker.is_connected


def test_a_redis_that_may_only_be_read_is_read(own: Redis, share: Share) -> None:
    asker = share(own.url)
    asker.wait_connected()
    asker.ask()
    wait("written", own.keys)
    own.say("REPLICAOF", "127.0.0.1", str(free_port()))
    for row in rows(20):
        asker.ask(row)
    asker.ask()
    counts = asker.counts()
    assert (counts["miss"], counts["redis"], counts["error-refused"]) == (21, 1, 1)


def test_a_password_that_changes_stops_nobody(own: Redis, share: Share) -> None:
    asker = share(own.url)
    asker.wait_connected()
    own.say("CONFIG", "SET", "requirepass", "new")
    own.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", password="new")  # noqa: S106
    for row in rows(20):
        asker.ask(row)
    asker.wait_connected(to=False)
    assert asker.counts()["miss"] == 20
    own.say("CONFIG", "SET", "requirepass", "", password="new")  # noqa: S106
    asker.wait_connected()


def test_a_wrong_password_is_logged_once_and_never_itself(
    own: Redis, start: Callable[..., LiveService]
) -> None:
    own.say("CONFIG", "SET", "requirepass", "right")
    service = start(
        trained.bundle("iris"),
        WORKERS="1",
        CACHE_URL=own.url,
        CACHE_PASSWORD="wrongpass",  # noqa: S106
    )
    pattern = r'ml_cache_errors_total\{reason="connection"\}'
    service.wait_until("tried twice", lambda: service.metric(pattern) >= 2)
    assert service.client.post("/predict", json=BODY).status_code == 200
    (line,) = service.events("cache_unavailable")
    assert line["level"] == "WARNING"
    assert "password" in line["reason"].lower()
    assert "wrongpass" not in json.dumps(line)
    assert loglines.check([line]) == {"cache_unavailable"}
    assert service.metric("ml_cache_connected") == 0


def test_a_user_without_the_right_to_read_is_not_asked_again(own: Redis, share: Share) -> None:
    own.say("ACL", "SETUSER", "cache", "on", ">word", "~*", "+set", "+ping")
    asker = share(own.url, CACHE_USER="cache", CACHE_PASSWORD="word")  # noqa: S106
    asker.wait_connected()
    for _ in range(3):
        asker.ask(ROW)
    assert asker.counts()["miss"] == 3
    assert asker.counts()["error-connection"] >= 1


def test_what_is_said_of_a_full_redis_that_goes_and_comes_is_in_the_schema(
    own: Redis, start: Callable[..., LiveService]
) -> None:
    service = start(
        trained.bundle("iris"), WORKERS="1", CACHE_URL=own.url, CACHE_BUDGET_MS=PATIENT_MS
    )
    service.wait_until("connected", lambda: service.events("cache_connected"))
    own.say("CONFIG", "SET", "maxmemory", "1")
    for row in rows(3):
        assert service.client.post("/predict", json={"features": row}).status_code == 200
    service.wait_until("refused", lambda: service.events("cache_refuses_writes"))
    own.broker.kill()
    for row in rows(3):
        assert service.client.post("/predict", json={"features": row}).status_code == 200
    service.wait_until("gone", lambda: service.events("cache_unavailable"))
    own.broker.start()
    service.wait_until("back", lambda: len(service.events("cache_connected")) == 2)
    names = ("cache_connected", "cache_refuses_writes", "cache_unavailable")
    lines = [line for name in names for line in service.events(name)]
    assert loglines.check(lines) == set(names)
    assert [line["event"] for line in lines] == [names[0], names[0], names[1], names[2]]


def test_a_service_ends_while_redis_hangs(own: Redis, start: Callable[..., LiveService]) -> None:
    service = start(trained.bundle("iris"), WORKERS="2", CACHE_URL=own.url, DRAIN_SECONDS="0")
    service.wait_until("connected", lambda: service.metric("ml_cache_connected") == 2)
    own.pause()
    assert service.client.post("/predict", json=BODY).status_code == 200
    assert service.terminate() == 0
    own.go_on()
