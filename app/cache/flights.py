"""Equal requests at the same time: one computes, the others wait for its prediction."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.model.prediction import Prediction


class Flight:
    """A prediction that is being computed; None in the end if its computer failed."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.prediction: Prediction | None = None

    def end(self, prediction: Prediction | None) -> None:
        """Let go who waits."""
        self.prediction = prediction
        self._ended.set()

    def wait(self, seconds: float) -> Prediction | None:
        """The prediction; None when it failed, or was not there in time."""
        self._ended.wait(max(0.0, seconds))
        return self.prediction


class Flights:
    """The predictions that this process computes now."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}
        self._lock = threading.Lock()

    def join(self, key: bytes) -> tuple[Flight, bool]:
        """The flight of a key, and whether it is the caller's to compute, and to `end`."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def end(self, key: bytes, prediction: Prediction | None) -> None:
        """The computer's last word, whatever happened to it."""
        with self._lock:
            flight = self._flights.pop(key)
        flight.end(prediction)
