"""`python -m app.consume`: answers the requests of a queue until it is told to end.

On SIGTERM it fetches no more, finishes what it holds and exits with 0. A refusal to start is one
JSON line, the last one of the process, and exit code 3.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app import environment
from app.environment import EXIT_REFUSED
from app.errors import RefusedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from app.consume.consumer import Consumer
    from app.consume.doors import Doors
    from app.service import Service


def main() -> int:
    """Run the consumer; returns the exit code."""
    started = time.perf_counter()
    temporary = None
    try:
        temporary = environment.prepare()
        _run(started)
    except RefusedError as error:
        print(environment.refusal_line(error, os.getpid()), flush=True)
        return EXIT_REFUSED
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return 0


def _run(started: float) -> None:
    import logging.config

    from app.consume.answering import Answering
    from app.consume.brokers import queue_of, replies_of
    from app.consume.consumer import Consumer
    from app.consume.patience import LOGGER
    from app.consume.settings import QueueSettings
    from app.consume.tally import Tally, TallyCollector
    from app.listening import begin_counting, open_sockets, require_room
    from app.observability import logs
    from app.service import load_service
    from app.settings import Settings

    settings = Settings.from_environ(os.environ)
    asked = QueueSettings.from_environ(os.environ)
    logging.config.dictConfig(logs.config(settings.log_level))
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    begin_counting(folder)
    service = load_service(settings, started)
    require_room(folder, service.metrics.worker_bytes)
    asked = asked.named(service.name)
    queue = queue_of(asked)
    counts = Tally()
    service.metrics.add(TallyCollector(counts))
    answering = Answering(service, asked.path)
    consumer = Consumer(answering, asked, queue, replies_of(asked, queue), counts)
    sockets = open_sockets(settings)
    service.start_worker()
    LOGGER.info("consumer_started", extra={"queue": asked.name, "group": asked.group})
    asyncio.run(_serve(service, consumer, sockets))
    service.end_worker()
    LOGGER.info("consumer_stopped", extra={"queue": asked.name, "messages": counts.results})


async def _serve(service: Service, consumer: Consumer, sockets: Sequence[socket.socket]) -> None:
    from app.consume.doors import Doors

    doors = Doors(service)
    # Not before it can do what it is for.
    service.is_ready = False
    await doors.open(sockets)
    _hear(doors, consumer)
    await consumer.connect()
    service.is_ready = True
    await consumer.run()
    await doors.close()


def _hear(doors: Doors, consumer: Consumer) -> None:
    def end() -> None:
        doors.drain()
        consumer.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


if __name__ == "__main__":
    sys.exit(main())
