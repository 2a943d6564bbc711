"""A cluster of Kafka: its topics, committed offsets, and who sends to it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from aiokafka import AIOKafkaProducer, errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.consume import tls
from app.consume.queue import QueueRefusedError, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from app.consume.settings import QueueSettings

ANSWER_SECONDS = 10.0
TOPIC_EXISTS = 36
MAX_REQUEST_BYTES = 256 * 1024 * 1024
REFUSALS = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.SaslAuthenticationFailed,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)


# Why there was no connection: the library tells its log alone.
_heard: ContextVar[list[BaseException] | None] = ContextVar("heard", default=None)


def _hear(record: logging.LogRecord) -> bool:
    """A filter of the library's log that drops nothing."""
    heard, told = _heard.get(), record.args if isinstance(record.args, tuple) else ()
    if heard is not None:
        heard.extend(one for one in told if isinstance(one, BaseException))
    return True


@asynccontextmanager
async def asking(what: str) -> AsyncIterator[None]:
    """Errors of the library become ours."""
    heard: list[BaseException] = []
    token = _heard.set(heard)
    try:
        yield
    except REFUSALS as error:
        raise _refused(what, error) from error
    except errors.InvalidSessionTimeoutError as error:
        raise QueueRefusedError(
            "QUEUE_ACK_SECONDS is no session of the group",
            expected="6 to 1800 seconds, unless the broker's configuration says otherwise",
            found=str(error),
            fix="change QUEUE_ACK_SECONDS, or group.min.session.timeout.ms of the broker",
        ) from error
    # The library's own errors are RuntimeErrors.
    except (RuntimeError, errors.ConsumerStoppedError, OSError, TimeoutError) as error:
        for reason in (error, *heard):
            tls.require_accepted("Kafka", reason)
            if isinstance(reason, REFUSALS):
                raise _refused(what, reason) from error
        raise UnavailableError(f"{what}: {type(error).__name__}: {error}") from error
    finally:
        _heard.reset(token)


def _refused(what: str, error: BaseException) -> QueueRefusedError:
    return QueueRefusedError(
        f"Kafka does not let us ask for {what}",
        expected="a user that it knows, who may use the topics and the group",
        found=f"{type(error).__name__}: {error}",
        fix="correct QUEUE_USER and QUEUE_PASSWORD, or the user's permissions",
    )


def options(settings: QueueSettings) -> dict[str, Any]:
    """What every client is told, from `kafka://user:password@host:9092,host:9092?mechanism=...`."""
    scheme, _, rest = settings.url.partition("://")
    place, _, query = rest.partition("?")
    credentials, _, servers = place.rpartition("@")
    user, _, password = map(unquote, credentials.partition(":"))
    user, password = user or settings.user or "", password or settings.password or ""
    is_safe = scheme == "kafka+ssl"
    found: dict[str, Any] = {
        "bootstrap_servers": servers.rstrip("/"),
        "client_id": settings.group,
        "security_protocol": f"{'SASL_' if user else ''}{'SSL' if is_safe else 'PLAINTEXT'}",
    }
    if is_safe:
        found["ssl_context"] = tls.context(settings)
    if user:
        (mechanism,) = parse_qs(query).get("mechanism", ["PLAIN"])
        found.update(
            sasl_mechanism=mechanism, sasl_plain_username=user, sasl_plain_password=password
        )
    return found


class Cluster:
    """Clients of one cluster, started when they are asked."""

    def __init__(self, settings: QueueSettings) -> None:
        """Raises SettingRefusedError."""
        self.options = options(settings)
        # Each rebalance would be ten lines; those who join are counted by the broker.
        logging.getLogger("aiokafka").setLevel(logging.WARNING)
        logging.getLogger("aiokafka").addFilter(_hear)
        self._admin: Any = None
        self._producer: Any = None
        self._lock = asyncio.Lock()

    async def _administrator(self) -> Any:
        async with self._lock:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self.options)
                try:
                    await admin.start()
                except BaseException:
                    await admin.close()
                    raise
                self._admin = admin
            return self._admin

    async def ensure(self, name: str, **configuration: str) -> None:
        """Create a topic unless it is there, with the broker's own number of partitions."""
        admin = await self._administrator()
        if name in await admin.list_topics():
            return
        topic = NewTopic(name, -1, -1, {}, configuration)
        answer = await admin.create_topics([topic])
        for _, code, *reason in answer.topic_errors:
            error = errors.for_code(code)
            if code and code != TOPIC_EXISTS:
                raise error(f"topic {name}: {' '.join(map(str, reason))}")

    async def committed(self, group: str, keys: Sequence[Any]) -> dict[Any, tuple[int, str]]:
        """Offset and note of partitions; offset -1 if there is none."""
        admin = await self._administrator()
        found = await admin.list_consumer_group_offsets(group, partitions=list(keys))
        return {key: (one.offset, one.metadata or "") for key, one in found.items()}

    async def send(
        self, topic: str, value: bytes, key: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> None:
        """Send; returns when all replicas in sync have it."""
        producer = await self._sender()
        try:
            await producer.send_and_wait(topic, value, key=key, headers=list(headers))
        except errors.KafkaError as error:
            # It does not go on after a message that was not taken: its numbers have a gap.
            if not error.retriable and self._producer is producer:
                self._producer = None
                with suppress(RuntimeError, OSError, TimeoutError):
                    await producer.stop()
            if isinstance(error, errors.MessageSizeTooLargeError):
                raise TooLargeError(f"{len(value)} bytes: {error}") from error
            raise

    async def _sender(self) -> Any:
        async with self._lock:
            if self._producer is not None:
                return self._producer
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=True,
                # The broker decides what is too large.
                max_request_size=MAX_REQUEST_BYTES,
                **self.options,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
            return producer

    async def close(self) -> None:
        """Disconnect."""
        producer, admin = self._producer, self._admin
        ends = [producer.stop] if producer is not None else []
        ends += [admin.close] if admin is not None else []
        for end in ends:
            with suppress(RuntimeError, OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await end()


class KafkaReplies:
    """One message for each answer, by its key; the last one of a key stays."""

    def __init__(self, cluster: Cluster, settings: QueueSettings) -> None:
        self._cluster = cluster
        self._name = settings.replies
        self._ms = int(settings.reply_hours * 3_600_000)

    async def open(self) -> None:
        """Raises UnavailableError, QueueRefusedError."""
        kept = {"cleanup.policy": "compact,delete", "retention.ms": str(self._ms)}
        async with asking("answers"):
            await self._cluster.ensure(self._name, **kept)

    async def has(self, key: str) -> bool:  # noqa: ARG002
        """Nobody knows: a topic is read from its beginning to its end."""
        return False

    async def put(self, key: str, answer: bytes) -> bool:
        """Raises UnavailableError, TooLargeError."""
        headers = [("content-type", b"application/cloudevents+json")]
        async with asking("answers"):
            await self._cluster.send(self._name, answer, key.encode(), headers)
        return True

    async def close(self) -> None:
        """The clients are the queue's."""
