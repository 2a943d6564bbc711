"""schemathesis finds nothing: a started service does what its own OpenAPI document says.

It sends valid and invalid headers and bodies to every operation, tries every other method, and
compares status, headers and body of each answer with the document.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.routes import ROUTES
from tests import trained
from tests.app.live import LiveService

CONFIG = Path(__file__).parent / "schemathesis.toml"
# Random documents for each operation, beside those that the document's examples and limits give.
MAX_EXAMPLES = "20"
TIMEOUT = {"$ref": "#/components/parameters/Timeout"}


def without_deadlines(document: dict[str, Any]) -> dict[str, Any]:
    """A millisecond is a valid deadline: what is answered then depends on the machine's load.

    The header itself is tested in robustness/test_overload.py.
    """
    operations = [
        operation
        for path in document["paths"].values()
        for word, operation in path.items()
        if word in ("get", "post")
    ]
    for operation in operations:
        operation["parameters"].remove(TIMEOUT)
    return document


def predictions_only(document: dict[str, Any]) -> dict[str, Any]:
    """One operation of each protocol: all else is the same for every model."""
    document["paths"] = {
        path: methods
        for path, methods in document["paths"].items()
        if "post" in methods and "batch" not in path and "versions" not in path
    }
    return document


@pytest.mark.parametrize(
    ("name", "choose", "operations"),
    [
        ("iris", lambda document: document, len(ROUTES)),
        ("penguins", predictions_only, 4),
        ("diabetes", predictions_only, 4),
    ],
    ids=["iris", "penguins", "diabetes"],
)
def test_schemathesis_finds_nothing(
    start: Callable[..., LiveService],
    tmp_path: Path,
    name: str,
    choose: Callable[[dict[str, Any]], dict[str, Any]],
    operations: int,
) -> None:
    service = start(trained.bundle(name), WORKERS="1", LOG_LEVEL="error")
    document = choose(without_deadlines(service.client.get("/openapi.json").json()))
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    tool = Path(sys.executable).parent / "schemathesis"
    done = subprocess.run(
        [
            *(str(tool), "--config-file", str(CONFIG), "run", "openapi.json"),
            *("--url", f"http://127.0.0.1:{service.port}"),
            *(
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                MAX_EXAMPLES,
                "--seed",
                "1",
            ),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    assert int(tested[1]) == operations
    assert service.events("error") == []
