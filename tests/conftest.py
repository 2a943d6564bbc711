"""Fixtures that several suites need to render and validate manifests."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rendering
from tests.schemas import Schemas, asked

# Of each process that a test runs in or starts; three times what the largest of them takes.
MEMORY_BYTES = 8 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    """By which server the tests of HTTP are answered; by default none (tests/app/servers.py)."""
    parser.addoption("--http-server", default="", choices=["", "front", "gthread"])


def pytest_configure(config: pytest.Config) -> None:
    """What the tests may rely on, wherever they were started."""
    # Tables are as wide as `$COLUMNS`, which xdist sets to 80: output is that of a pipe.
    os.environ.pop("COLUMNS", None)
    # Programs under test hear Ctrl-C, which a shell has those ignore that it starts in the
    # background, and with them all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # One that takes all memory is an error where it happens, and not the end of the machine.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, most))
    os.environ["HTTP_SERVER"] = config.getoption("--http-server")


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's sight: it all stays.

    It is millions of objects, a second for each full collection; statsmodels asks for one with each
    correction for several tests. Garbage of the tests themselves is collected as ever.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def version_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version file as `modelctl bump` writes it; a fresh fork has none."""
    path = tmp_path_factory.mktemp("version") / "version.yaml"
    (chart,) = rendering.parse((rendering.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    path.write_text(
        f"""\
image:
  repository: registry.example:5000/model
  tag: "1.0.0"
  digest: sha256:{"a" * 64}
model:
  version: "1.0.0"
  digest: sha256:{"b" * 64}
chart:
  version: {chart["version"]}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schemas]:
    """What asks the schemas of Kubernetes and of its extensions."""
    with asked(tmp_path_factory.mktemp("schemas")) as found:
        yield found
