"""A call of gRPC through a gateway gets what a request of HTTP gets there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .loop import Loop, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import web

MODEL = "iris"


def require_same(
    loop: Loop, address: str, authority: str, sample: Path, by_http: web.Reply
) -> None:
    """The call's answer is that of the same row by HTTP, and a refusal comes through whole.

    `by_http`: the answer to `sample` as it is. Waits until the gateway has learnt of the route.
    """
    assert by_http.status == 200, by_http.text
    expected = json.loads(by_http.body)
    features = json.loads(sample.read_text(encoding="utf-8"))["features"]

    def probe() -> tuple[bool, Any]:
        answer = loop.call(address, authority, MODEL, features)
        return answer["code"] == "OK", answer

    eventually(f"a call for {authority} at the gateway", probe, 60)
    answer = loop.call(address, authority, MODEL, features)
    assert answer == {
        "code": "OK",
        "version": expected["model_version"],
        "outputs": {
            "predict": [expected["prediction"]],
            "predict_proba": expected["probability"],
        },
    }
    refused = loop.call(address, authority, MODEL, features[1:])
    assert refused["code"] == "INVALID_ARGUMENT", refused
    assert "expected" in refused["text"], refused
    stranger = loop.call(address, "other.example", MODEL, features)
    assert stranger["code"] in ("UNIMPLEMENTED", "NOT_FOUND", "UNAVAILABLE"), stranger
