"""Requests like those of real clients: other rows, other routes, mistakes, and faults of ours."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.app.live import LiveService
from tests.observability.faulty import FATAL_ROW


class Client:
    """Asks one service; `shift` moves all numbers by so many standard deviations."""

    def __init__(self, service: LiveService, bundle: Path, seed: int = 1) -> None:
        self.service = service
        self.shift = 0.0
        self._random = random.Random(seed)  # noqa: S311 - rows, not secrets
        self._rows = json.loads((bundle / "sample.json").read_text())["rows"]
        self._name = json.loads((bundle / "manifest.json").read_text())["name"]
        numbers = [[v for v in row if isinstance(v, int | float)] for row in self._rows]
        whole = [row for row in numbers if len(row) == max(map(len, numbers))]
        self._spread = float(np.std(np.array(whole, dtype=float), axis=0).mean())

    def rows(self, count: int) -> list[Any]:
        """Rows of the sample, moved."""
        return [self._moved(self._random.choice(self._rows)) for _ in range(count)]

    def predict(self, rows: int = 1) -> None:
        """One request by one of the protocols."""
        body: dict[str, Any] = {"instances": self.rows(rows)}
        way = self._random.random()
        path = "/predict"
        if rows > 1:
            path = "/predict/batch"
        elif way < 0.25:
            path = f"/v1/models/{self._name}:predict"
        self.service.client.post(path, json=body)

    def mistake(self) -> None:
        """One request that a client should not send."""
        post = self.service.client.post
        kind = self._random.randrange(4)
        if kind == 0:
            post("/predict", content="{", headers={"Content-Type": "application/json"})
        elif kind == 1:
            post("/predict", content="text")
        else:
            post("/predict", json={"features": {"no such feature": kind}})

    def too_late(self) -> None:
        """One request whose deadline nobody can keep."""
        rows = self.rows(100)
        headers = {"X-Request-Timeout-Ms": "1"}
        self.service.client.post("/predict/batch", json={"instances": rows}, headers=headers)

    def fault(self) -> None:
        """One request that the faulty engine answers with 500; for iris."""
        self.service.client.post("/predict", json={"features": FATAL_ROW})

    def _moved(self, row: list[Any]) -> list[Any]:
        return [
            value + self.shift * self._spread if isinstance(value, float) else value
            for value in row
        ]
