"""The consumer's settings beside those of the service: environment variables -> one dataclass."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - the type of a field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.tls import Trust, require_pair
from app.variables import read, refusal, table, variable, without_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("nats", "tls", "redis", "rediss", "amqp", "amqps", "kafka", "kafka+ssl")
REPLY_SCHEMES = ("nats", "tls", "redis", "rediss", "s3", "gs", "az", "file")
# Names become those of streams, topics, subjects and consumers: what all brokers allow.
NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True)
class QueueSettings:
    """Settings of a consumer. Units are in the name or the description of each variable."""

    # ruff: noqa: RUF009 - `variable` returns a field
    url: str = variable(
        "QUEUE_URL",
        "",
        "Broker: `nats://host:4222` (`tls://` with TLS), `redis://host:6379/0` (`rediss://`),"
        " `amqp://host:5672/vhost` (`amqps://`) or `kafka://host:9092,host:9092` (`kafka+ssl://`).",
    )
    name: str = variable(
        "QUEUE_NAME", "", "Stream, queue or topic of the requests; unset: the model's name."
    )
    group: str = variable(
        "QUEUE_GROUP",
        "",
        "Durable consumer or consumer group, which shares the requests; unset: the model's name.",
    )
    dead: str = variable(
        "QUEUE_DEAD",
        "",
        "Where requests go that get no prediction; unset: QUEUE_NAME with `-dead`.",
    )
    replies: str = variable(
        "QUEUE_REPLIES",
        "",
        "Stream, keys, queue or topic of the answers; unset: QUEUE_NAME with `-replies`.",
    )
    reply_url: str | None = variable(
        "REPLY_URL",
        None,
        "Another store for the answers: `s3://`, `gs://`, `az://`, `file:///folder`, or a URL of"
        " NATS or Redis; unset: the broker.",
    )
    reply_hours: float = variable(
        "REPLY_HOURS",
        24.0,
        "Hours for which a broker keeps answers, and NATS and Redis know that a request has one.",
        low=0.001,
    )
    user: str | None = variable("QUEUE_USER", None, "User, unless the URL has one.")
    password: str | None = variable("QUEUE_PASSWORD", None, "Password or token of the user.")
    credentials: Path | None = variable(
        "QUEUE_CREDENTIALS", None, "File with a user's JWT and key, for NATS."
    )
    ca: Path | None = variable(
        "QUEUE_CA", None, "File with the CAs to trust, in PEM; unset: those of the system."
    )
    certificate: Path | None = variable(
        "QUEUE_CERT", None, "File with the client's certificate, in PEM."
    )
    key: Path | None = variable("QUEUE_KEY", None, "File with the key of QUEUE_CERT, in PEM.")
    path: str = variable(
        "QUEUE_PATH",
        "/predict",
        "URL that answers requests that name none by the attribute `path`.",
    )
    prefetch: int = variable(
        "QUEUE_PREFETCH",
        64,
        "Maximum requests held at a time; of a slow model what it answers in a second.",
        low=1,
        high=10_000,
    )
    ack_seconds: int = variable(
        "QUEUE_ACK_SECONDS",
        30,
        "Time without a sign of life after which another pod gets a request that this one holds.",
        low=2,
        high=3600,
    )
    retry_seconds: float = variable(
        "QUEUE_RETRY_SECONDS",
        1.0,
        "Delay of the first retry, doubled for each further one up to QUEUE_ACK_SECONDS.",
        low=0,
        high=3600,
    )
    max_deliveries: int = variable(
        "QUEUE_MAX_DELIVERIES",
        10,
        "Deliveries after which a request without a prediction is a dead letter.",
        low=1,
        high=1000,
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> QueueSettings:
        """Read every variable. Raises SettingRefusedError."""
        settings = read(cls, environ)
        _require_url("QUEUE_URL", settings.url, SCHEMES)
        if settings.reply_url is not None:
            _require_url("REPLY_URL", settings.reply_url, REPLY_SCHEMES)
        require_pair(Trust("QUEUE", settings.ca, settings.certificate, settings.key))
        return settings

    def named(self, model: str) -> QueueSettings:
        """With the names that follow from the model's. Raises SettingRefusedError."""
        name = self.name or model
        named = replace(
            self,
            name=name,
            group=self.group or model,
            dead=self.dead or f"{name}-dead",
            replies=self.replies or f"{name}-replies",
        )
        for variable_name, text in (
            ("QUEUE_NAME", named.name),
            ("QUEUE_GROUP", named.group),
            ("QUEUE_DEAD", named.dead),
            ("QUEUE_REPLIES", named.replies),
        ):
            if set(text) - NAME_LETTERS or len(text) > 200:
                expected = "up to 200 letters, digits, - and _"
                raise refusal(variable_name, expected, text)
        distinct = {named.name, named.dead, named.replies}
        if len(distinct) < 3:
            expected = "other names than QUEUE_NAME and each other"
            raise refusal("QUEUE_DEAD and QUEUE_REPLIES", expected, ", ".join(sorted(distinct)))
        return named


def _require_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    scheme = url.partition("://")[0]
    expected = f"a URL that begins with {', '.join(f'{one}://' for one in schemes)}"
    if scheme not in schemes:
        raise refusal(name, expected, without_secret(url))
    try:
        has_place = bool(urlsplit(url).path if scheme == "file" else urlsplit(url).netloc)
    except ValueError:
        has_place = False
    if not has_place:
        raise refusal(name, expected, without_secret(url))


def reference() -> str:
    """The page docs/reference/consumer.md, generated from the fields above."""
    lines = [
        "# Settings of a consumer",
        "",
        "Environment variables of `python -m app.consume` beside those of the",
        "[service](settings.md), generated by `python -m app.consume.settings`. Stores of answers",
        "have the credentials of the [download](fetch.md). How to use it:",
        "[queue](../how-to/queue.md).",
        "",
        *table(QueueSettings),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
