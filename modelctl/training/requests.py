"""One request of a queue: a training whose result is stored before the message is settled.

The consumer of predictions does the rest: signs of life while it trains, retries, dead letters,
one answer for each request.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from app.consume import tally
from app.consume.brokers import queue_of, replies_of
from app.consume.consumer import Consumer
from app.consume.settings import QueueSettings
from app.errors import RefusedError as AppRefusedError
from app.errors import RequestError
from app.responses import json_reply, problem
from modelctl.errors import ModelctlError, RefusedError
from modelctl.training import steps
from modelctl.training.results import answer_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.consume.messages import Asked
    from app.responses import Reply
    from modelctl.training.results import Result, Shelf

# How long a request is waited for: the one that started this process may be in other hands.
WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class Ended:
    """How a request ended: with a result, an error, or not at all. None of them: there was none."""

    result: Result | None = None
    error: ModelctlError | None = None
    was_stopped: bool = False


class Training:
    """Answers a request by a training."""

    # What runs ends with the process: another one begins anew.
    grace_seconds = 0.0
    # In an answer without a result.
    version = "none"
    room = 1

    def __init__(self, root: Path, shelf: Shelf) -> None:
        self.name = shelf.model
        self.ended = Ended()
        self._root, self._shelf = root, shelf

    async def answer(self, asked: Asked) -> tuple[Reply, str]:
        """The result as JSON, or why there is none."""
        # Until there is an answer.
        self.ended = Ended(was_stopped=True)
        try:
            result = await self._result(asked)
        except RequestError as error:
            invalid = RefusedError(f"{error.title}: {error.detail}", fix="correct the message")
            self.ended = Ended(error=invalid)
            return problem(error, asked.id), tally.REFUSED
        except ModelctlError as error:
            self.ended = Ended(error=error)
            is_refused = isinstance(error, RefusedError)
            status, kind = (422, "training-refused") if is_refused else (500, "training-failed")
            told = RequestError(status, kind, kind.replace("-", " ").capitalize(), str(error))
            return problem(told, asked.id), tally.REFUSED if is_refused else tally.FAILED
        self.ended, self.version = Ended(result), result.version
        return json_reply(answer_of(result, self._shelf)), tally.ANSWERED

    async def _result(self, asked: Asked) -> Result:
        """Raises RequestError, ModelctlError."""
        request = _request(asked, self.name)
        known = await asyncio.to_thread(self._shelf.of_request, asked.key)
        if known is not None:
            return known
        bundle = await steps.train(self._root, self.name, request)
        return await asyncio.to_thread(self._shelf.add, bundle, asked.key)


def train_next(root: Path, shelf: Shelf) -> Ended:
    """Settle the next request of the queue in QUEUE_URL.

    On SIGTERM the training ends and the request is delivered again at once. Raises RefusedError.
    """
    try:
        settings = QueueSettings.from_environ(os.environ).named(shelf.model)
        _require_leases(settings)
        return asyncio.run(_settle(Training(root, shelf), settings))
    except AppRefusedError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error


def _require_leases(settings: QueueSettings) -> None:
    """Raise RefusedError for Kafka.

    Each trainer that comes or goes is a rebalance, and that hands a message on while another one
    still trains for it.
    """
    scheme = settings.url.partition(":")[0]
    if scheme.startswith("kafka"):
        raise RefusedError(
            "Kafka does not keep a message for the one that works on it",
            expected="QUEUE_URL of NATS, Redis or RabbitMQ",
            found=f"{scheme}://",
            fix="keep requests for trainings in another broker",
        )


async def _settle(training: Training, settings: QueueSettings) -> Ended:
    queue = queue_of(settings)
    replies = replies_of(settings, queue)
    consumer = Consumer(training, settings, queue, replies, tally.Tally())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, consumer.stop)
    await consumer.connect()
    await consumer.run_one(WAIT_SECONDS)
    return training.ended


def _request(asked: Asked, model: str) -> dict[str, Any]:
    """What a message asks for. Raises RequestError."""
    if asked.refused is not None:
        raise asked.refused
    try:
        document = orjson.loads(asked.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise _invalid(f"expected a JSON object: {error}") from error
    if not isinstance(document, dict):
        raise _invalid(f"expected a JSON object, found {type(document).__name__}")
    if (named := document.get("model", model)) != model:
        raise _invalid(f"model: expected {model}, found {str(named)[:100]!r}")
    return {"id": asked.id, **document}


def _invalid(detail: str) -> RequestError:
    return RequestError(422, "contract", "Invalid training request", detail)
