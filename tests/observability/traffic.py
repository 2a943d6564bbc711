"""Requests like those of real clients: other rows, other routes, mistakes, and faults of ours."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd

from tests import trained
from tests.app.live import LiveService
from tests.observability.faulty import FATAL_ROW
from tests.queues.sent import Sent
from tests.queues.sides import Side


class Client:
    """Asks one service for rows it was trained on; `shift` moves numbers by standard deviations."""

    def __init__(self, service: LiveService, bundle: Path, seed: int = 1) -> None:
        self.service = service
        self.shift = 0.0
        self._last: tuple[str, dict[str, Any]] | None = None
        self._random = random.Random(seed)  # noqa: S311 - rows, not secrets
        manifest = json.loads((bundle / "manifest.json").read_text())
        self._name = manifest["name"]
        names = [feature["name"] for feature in manifest["inputs"]]
        frame = pd.read_csv(trained.training(self._name) / "sample.csv")[names]
        self._rows = json.loads(frame.to_json(orient="values"))
        self._spreads = [
            float(frame[name].std()) if frame[name].dtype == float else 0.0 for name in names
        ]

    def rows(self, count: int) -> list[Any]:
        """Rows of the training data, moved."""
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
        self._last = path, body
        self.service.client.post(path, json=body)

    def repeat(self) -> None:
        """The last of these once more: what a cache may answer."""
        if self._last is not None:
            path, body = self._last
            self.service.client.post(path, json=body)

    def send(self, side: Side, requests: int = 1, mistakes: int = 0) -> None:
        """Requests into a queue instead, and some that get no prediction."""
        bodies = [json.dumps({"instances": self.rows(1)}) for _ in range(requests)]
        side.send([Sent(body.encode()) for body in [*bodies, *["{}"] * mistakes]])

    def explain(self) -> None:
        """One request for an explanation."""
        (row,) = self.rows(1)
        self.service.client.post("/explain", json={"features": row})

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
            value + self.shift * spread if spread and value is not None else value
            for value, spread in zip(row, self._spreads, strict=True)
        ]
