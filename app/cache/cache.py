"""The prediction cache of one worker: memory, then a shared store, then the engine.

It fails open: whatever is wrong with the cache, the engine is asked. An event loop never waits in
here: on its thread only the memory is looked into, and requests that would wait for others compute.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from app.cache.entry import Entries, EntryError
from app.cache.flights import Flights
from app.cache.key import MAX_SECRET_BYTES, Keys, scope
from app.cache.memory import Memory
from app.cache.redis import RedisStore
from app.cache.remote import Remote
from app.errors import NotStoredError
from app.observability.metrics.cached import CacheState
from app.variables import refusal

if TYPE_CHECKING:
    from app.admission import Deadline
    from app.model.bundle import Bundle
    from app.model.contract import Contract
    from app.model.prediction import Engine, Prediction
    from app.model.validation import Batch
    from app.settings import Settings

# Shorter ones are guessed.
MIN_SECRET_BYTES = 16


class PredictionCache:
    """Predictions of one engine. `start_worker` completes it after the fork."""

    def __init__(self, engine: Engine, keys: Keys, entries: Entries, memory: Memory) -> None:
        self._engine = engine
        self._keys = keys
        self._entries = entries
        self._memory = memory
        self._flights = Flights()
        self._remote: Remote | None = None
        self._store: RedisStore | None = None
        self._budget = 0.0
        self._counts: Counter[str] = Counter()
        self._waited = 0.0
        self._lock = threading.Lock()
        self._is_connected = False

    def share(self, store: RedisStore, budget: float) -> None:
        """Share predictions with other processes by a store, asked for so many seconds."""
        self._store, self._budget = store, budget

    @property
    def is_shared(self) -> bool:
        """Whether an answer may have to wait for a store."""
        return self._store is not None

    def start_worker(self) -> None:
        """Connect; call it once in every worker."""
        if self._store is not None:
            self._remote = Remote(self._store, self._budget, self._count_error, self._connected)
            self._remote.start()

    def close(self) -> None:
        """Disconnect."""
        if self._remote is not None:
            self._remote.stop()

    def predict(self, batch: Batch, deadline: Deadline, *, stored_only: bool = False) -> Prediction:
        """What the engine answers for these rows, now or before. Raises as the engine does.

        `stored_only`: raises NotStoredError instead of doing more than to look into the memory.
        """
        key = self._keys.of(batch)
        content = self._memory.get(key)
        if content is not None:
            self._count("memory")
            return self._entries.decode(content, len(batch))
        if stored_only:
            raise NotStoredError
        if _is_in_event_loop():
            return self._compute(key, batch)
        flight, is_ours = self._flights.join(key)
        if is_ours:
            prediction = None
            try:
                prediction = self._shared(key, batch, deadline)
                if prediction is None:
                    prediction = self._compute(key, batch)
                return prediction
            finally:
                self._flights.end(key, prediction)
        prediction = flight.wait(deadline.remaining_seconds())
        if prediction is not None:
            self._count("flight")
            return prediction
        deadline.raise_if_passed()
        # Why it failed may be its own affair.
        return self._compute(key, batch)

    def state(self) -> CacheState:
        """How it is, with what it counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            waited, self._waited = self._waited, 0.0
        return CacheState(counts, waited, self._memory.size, self._is_connected)

    def _shared(self, key: bytes, batch: Batch, deadline: Deadline) -> Prediction | None:
        """What the store has, if anything that is right."""
        if self._remote is None:
            return None
        started = time.perf_counter()
        sealed = self._remote.get(key, deadline.remaining_seconds())
        with self._lock:
            self._waited += time.perf_counter() - started
        if sealed is None:
            return None
        try:
            content = self._entries.open(key, sealed)
            prediction = self._entries.decode(content, len(batch))
        except EntryError:
            self._count_error("invalid")
            return None
        self._count("redis")
        self._keep(key, content)
        return prediction

    def _compute(self, key: bytes, batch: Batch) -> Prediction:
        self._count("miss")
        prediction = self._engine.predict(batch)
        try:
            content = self._entries.encode(prediction)
        except EntryError:
            self._count_error("unstorable")
            return prediction
        self._keep(key, content)
        if self._remote is not None:
            self._remote.put(key, self._entries.seal(key, content))
        return prediction

    def _keep(self, key: bytes, content: bytes) -> None:
        if evicted := self._memory.put(key, content):
            self._count("evicted", evicted)

    def _count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

    def _count_error(self, reason: str) -> None:
        self._count(f"error-{reason}")

    def _connected(self, is_connected: bool) -> None:
        self._is_connected = is_connected


def from_settings(
    settings: Settings, bundle: Bundle, contract: Contract, engine: Engine
) -> PredictionCache | None:
    """None unless CACHE_BYTES or CACHE_URL is set. Raises SettingRefusedError."""
    if not settings.cache_bytes and settings.cache_url is None:
        return None
    secret = (settings.cache_secret or "").encode()
    if secret and not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        expected = f"{MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes"
        raise refusal("CACHE_SECRET", expected, f"{len(secret)} bytes")
    cache = PredictionCache(
        engine,
        Keys(scope(bundle), secret),
        Entries(contract.output, secret),
        Memory(settings.cache_bytes),
    )
    if settings.cache_url is not None:
        store = RedisStore(settings, bundle.manifest["name"])
        cache.share(store, settings.cache_budget_ms / 1000)
    return cache


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
