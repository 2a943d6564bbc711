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

from tests import trained
from tests.app.live import LiveService

CONFIG = Path(__file__).parent / "schemathesis.toml"
TIMEOUT = {"$ref": "#/components/parameters/Timeout"}


def without_deadlines(document: dict[str, Any]) -> dict[str, Any]:
    """A millisecond is a valid deadline: what is answered then depends on the machine's load.

    The header itself is tested in test_live.py.
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


@pytest.mark.parametrize("name", ["iris", "penguins", "diabetes"])
def test_schemathesis_finds_nothing(
    start: Callable[..., LiveService], tmp_path: Path, name: str
) -> None:
    service = start(trained.bundle(name), WORKERS="1", LOG_LEVEL="error")
    document = without_deadlines(service.client.get("/openapi.json").json())
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    tool = Path(sys.executable).parent / "schemathesis"
    done = subprocess.run(
        [
            *(str(tool), "--config-file", str(CONFIG), "run", "openapi.json"),
            *("--url", f"http://127.0.0.1:{service.port}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", "1"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    operations = sum(len(path.keys() - {"parameters"}) for path in document["paths"].values())
    assert tested is not None
    assert int(tested[1]) == operations
    assert service.events("error") == []
