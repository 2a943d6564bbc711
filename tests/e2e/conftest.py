"""One running sandbox for all end-to-end tests: as it was found, so it is left.

When none runs, `make up` starts one and `make down` ends it, and what is left behind is compared
with what was there before. With a sandbox running already, that one is used and kept.

`tests/run.py` runs groups of tests side by side; `tests/runner/scenarios.py` says which file is in
which, and the mark `group` takes a single test elsewhere.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from app.model.bundle import Bundle, verify
from sandbox import process
from sandbox.components import rollouts
from tests.runner import scenarios

from . import progressive, session
from .ad_hoc import NAMESPACE, AdHocReleases, applied, restricted_namespace
from .loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--scenarios=a.py,b.py`: the core loop and these files as a whole; without it everything."""
    parser.addoption("--scenarios", help="run tests marked `loop`, and all tests of these files")
    parser.addoption("--group", help="of those, run the tests of one group (see scenarios.py)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to `make test-all` what is neither of the loop nor of a chosen file."""
    chosen, group = config.getoption("--scenarios"), config.getoption("--group")
    files = None if chosen is None else set(chosen.split(","))
    left = [item for item in items if not _is_chosen(item, files, group)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _is_chosen(item: pytest.Item, files: set[str] | None, group: str | None) -> bool:
    mark = item.get_closest_marker("group")
    own = scenarios.group_of(item.path.name, mark.args[0] if mark else "")
    if group is not None and own != group:
        return False
    return files is None or item.path.name in files or item.get_closest_marker("loop") is not None


@pytest.fixture(scope="session")
def bundle(loop: Loop) -> Bundle:
    """The bundle of iris as it was packaged for the sandbox."""
    return verify(loop.found / "build" / "bundles" / "iris")


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


@pytest.fixture(scope="session")
def controller(loop: Loop) -> Iterator[None]:
    """The Argo Rollouts controller, as `make delivery` starts it; and a namespace."""
    ours = session.make_definitions(loop, "delivery", "argoproj.io")
    with applied(loop, [restricted_namespace(progressive.NAMESPACE)]):
        yield
    process.stop(loop.layout, rollouts.NAME)
    for kind in ("clusterrole", "clusterrolebinding"):
        loop.kubectl("delete", kind, "argo-rollouts")
    loop.kubectl("delete", "crd", *ours)
