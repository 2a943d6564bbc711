"""What is stored for a request: a CloudEvent in structured mode with the reply as its data.

The data is what HTTP would answer, a prediction or a problem document, and `status` its status.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import orjson

from app.timestamps import timestamp

if TYPE_CHECKING:
    from app.consume.messages import Asked
    from app.responses import Reply

PREDICTION = "io.ml-model.prediction"
PROBLEM = "io.ml-model.problem"


def encode(asked: Asked, reply: Reply, name: str, version: str) -> bytes:
    """The event, with the request's id; `requestsource` is its source."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": asked.id,
        "source": f"/v2/models/{name}/versions/{version}",
        "type": PREDICTION if reply.status < 400 else PROBLEM,
        "time": timestamp(time.time()),
        "datacontenttype": reply.content_type,
        "status": reply.status,
    }
    if asked.source:
        event["requestsource"] = asked.source
    if reply.content_type.partition(";")[0].endswith("json"):
        event["data"] = orjson.Fragment(reply.body)
    else:
        event["data_base64"] = base64.b64encode(reply.body).decode()
    return orjson.dumps(event)
