"""The service with an engine that fails for one row: a fault of ours, on demand."""

from __future__ import annotations

import sys

from tests.app.live import LiveService

# A valid row of iris, which the faulty engine does not survive; no other row has that number.
FATAL_ROW = [6.123457, 3.0, 5.0, 2.0]
PROGRAM = """
import sys
from app import __main__ as entry, environment
environment.prepare()
from app.model.onnx_engine import OnnxEngine
predict = OnnxEngine.predict
def fail(self, batch):
    if "6.123457" in repr(batch):
        raise RuntimeError("a fault of ours")
    return predict(self, batch)
OnnxEngine.predict = fail
sys.exit(entry.main())
"""


class Faulty(LiveService):
    """Everything else is the service as it is."""

    command = (sys.executable, "-c", PROGRAM)
