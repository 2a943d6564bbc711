"""A request from a queue -> the reply that HTTP would give, and whether it is final."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.admission import Deadline
from app.consume import tally
from app.errors import RequestError
from app.request import Request
from app.routes import Route, prediction_routes, record_outcome, run_work, unmatched_route

if TYPE_CHECKING:
    from app.consume.messages import Asked
    from app.responses import Reply
    from app.service import Service

# Status of a reply that another attempt may improve.
TRANSIENT = (500, 503, 504)
# Of what is held at a time, in seconds that the model takes for it.
HELD_SECONDS = 1.0


class Answering:
    """Answers requests by the service's own routes."""

    def __init__(self, service: Service, path: str) -> None:
        """`path`: the URL of requests that name none."""
        self._service = service
        self._path = path
        self._routes = prediction_routes(service)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self.name, self.version = service.name, service.version
        self.grace_seconds = float(service.settings.graceful_timeout_seconds)

    @property
    def room(self) -> int:
        """How many to hold: no more than the model answers in a second, for others."""
        return max(1, int(HELD_SECONDS / max(1e-6, self._service.expected_seconds(0))))

    async def answer(self, asked: Asked) -> tuple[Reply, str]:
        """The reply to a request, and whether it is one, a refusal or a failure."""
        service = self._service
        seconds = service.settings.request_timeout_ms / 1000
        is_own = False
        if asked.deadline is not None:
            left = asked.deadline - time.time()
            is_own = left < seconds
            seconds = min(seconds, left)
        path = asked.path or self._path
        route, arguments = self._routes.get(path, (None, {}))
        refused = asked.refused or self._refusal(asked, path, route, is_late=seconds <= 0)
        request = Request(
            method="POST",
            path=path,
            port=0,
            headers={**asked.headers, "x-request-id": asked.id},
            body=asked.body,
            deadline=Deadline(max(1, int(seconds * 1000))),
            arguments=arguments,
            refused=refused,
        )
        if route is None:
            route = unmatched_route(refused or _no_url(path, self._routes), path)
        reply = await self._run(route, request)
        if reply.status < 400:
            return reply, tally.ANSWERED
        if reply.status == 504 and is_own:
            return reply, tally.EXPIRED
        return reply, tally.FAILED if reply.status in TRANSIENT else tally.REFUSED

    def _refusal(
        self, asked: Asked, path: str, route: Route | None, *, is_late: bool
    ) -> RequestError | None:
        """Why a request is not to be predicted, as far as it can be known before it is read."""
        if route is None:
            return _no_url(path, self._routes)
        if is_late:
            return RequestError(
                504, "deadline", "Deadline exceeded", "the deadline had passed when it was read"
            )
        limit = self._service.settings.max_body_bytes
        if len(asked.body) > limit:
            return RequestError(
                413,
                "too-large",
                "Request body too large",
                f"expected at most {limit} bytes (MAX_BODY_BYTES), found {len(asked.body)}",
            )
        return None

    async def _run(self, route: Route, request: Request) -> Reply:
        service = self._service
        size = request.max_body_bytes(service.settings.max_body_bytes)
        if request.refused is not None or service.is_quick(size, explains=route.url.explains):
            outcome, reply = run_work(service, route, request)
        else:
            loop = asyncio.get_running_loop()
            outcome, reply = await loop.run_in_executor(
                self._thread, run_work, service, route, request
            )
        record_outcome(service, route, outcome)
        return reply


def _no_url(path: str, routes: dict[str, tuple[Route, dict[str, str]]]) -> RequestError:
    named = ", ".join(sorted(routes))
    return RequestError(
        404, "not-found", "Not found", f"expected path to be one of {named}; found {path[:200]!r}"
    )
