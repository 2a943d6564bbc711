"""The brokers, by the scheme of their URL; each is imported if it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from app.consume.folder import FolderReplies

if TYPE_CHECKING:
    from app.consume.queue import Queue, Replies
    from app.consume.settings import QueueSettings


def queue_of(settings: QueueSettings) -> Queue:
    """The queue of the settings; connects to nothing yet."""
    scheme = settings.url.partition("://")[0]
    if scheme in ("nats", "tls"):
        from app.consume.brokers.nats import NatsQueue

        return NatsQueue(settings)
    if scheme in ("amqp", "amqps"):
        from app.consume.brokers.amqp import AmqpQueue

        return AmqpQueue(settings)
    if scheme in ("kafka", "kafka+ssl"):
        from app.consume.brokers.kafka import KafkaQueue

        return KafkaQueue(settings)
    from app.consume.brokers.redis import RedisQueue

    return RedisQueue(settings)


def replies_of(settings: QueueSettings, queue: Queue) -> Replies:
    """Where the answers go; connects to nothing yet."""
    url = settings.reply_url
    if url is None:
        return queue.replies
    scheme = url.partition("://")[0]
    if scheme in ("nats", "tls"):
        from app.consume.brokers.nats import NatsReplies
        from app.consume.brokers.nats_connection import Connection as NatsConnection

        return NatsReplies(NatsConnection(url, settings), settings)
    if scheme in ("redis", "rediss"):
        from app.consume.brokers.redis import RedisReplies, connect

        return RedisReplies(connect(url, settings), settings)
    where = unquote(urlsplit(url).path) if scheme == "file" else url
    return FolderReplies(where)
