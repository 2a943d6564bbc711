"""The baseline: Flask that parses a body and returns it."""

from __future__ import annotations

import orjson
from flask import Flask, Response, request

app = Flask(__name__, static_folder=None)


@app.get("/health")
def health() -> Response:
    """Readiness of the server."""
    return Response(b"{}", content_type="application/json")


@app.post("/predict")
def predict() -> Response:
    """Echo."""
    document = orjson.loads(request.get_data(cache=False))
    return Response(orjson.dumps(document), content_type="application/json")
