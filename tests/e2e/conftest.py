"""One running sandbox for all end-to-end tests: as it was found, so it is left.

When none runs, `make up` starts one and `make down` ends it, and what is left behind is compared
with what was there before. With a sandbox running already, that one is used and kept.

Tests marked `beside` do not touch what Argo CD looks after, so `tests/run.py` runs them beside the
others; those marked `alone` restart the whole sandbox; those marked `bare` start one of their own
when no other runs.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from . import session
from .ad_hoc import NAMESPACE, AdHocReleases, applied, restricted_namespace
from .loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--scenarios=a.py,b.py`: the core loop and these files as a whole; without it everything."""
    parser.addoption("--scenarios", help="run tests marked `loop`, and all tests of these files")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to `make test-all` what is neither of the loop nor of a chosen file."""
    chosen = config.getoption("--scenarios")
    if chosen is None:
        return
    files = set(chosen.split(","))
    left = [i for i in items if i.path.name not in files and not i.get_closest_marker("loop")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The sandbox with every release Synced and Healthy."""
    folder = tmp_path_factory.mktemp("sandbox")
    if session.VARIABLE in os.environ:
        yield Loop(folder / "found")
        return
    before = folder / "before.json"
    try:
        session.up(before)
    except subprocess.CalledProcessError as error:
        # It has said why on our output; every test would only repeat that.
        pytest.exit(f"{shlex.join(error.cmd)} failed", returncode=1)
    yield Loop(folder / "found")
    session.down(before)


@pytest.fixture(scope="session")
def sample(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a body for `POST /predict` of iris."""
    rows = json.loads((loop.found / "build/bundles/iris/sample.json").read_text())["rows"]
    path = tmp_path_factory.mktemp("sample") / "body.json"
    path.write_text(json.dumps({"features": rows[0]}))
    return path


@pytest.fixture(scope="session")
def ad_hoc(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdHocReleases]:
    """How tests install releases of their own, held to what an environment is held to."""
    with applied(loop, [restricted_namespace(NAMESPACE)]):
        yield AdHocReleases(loop, tmp_path_factory.mktemp("values"))
