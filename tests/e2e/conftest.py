"""One running sandbox for all end-to-end tests: as it was found, so it is left.

When none runs, `make up` starts one and `make down` ends it, and what is left behind is compared
with what was there before. With a sandbox running already, that one is used and kept.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import netns, process
from sandbox.layout import find_layout

from .ad_hoc import NAMESPACE, AdHocReleases, applied, restricted_namespace
from .leftovers import snapshot
from .loop import Loop, measured

if TYPE_CHECKING:
    from collections.abc import Iterator


def make(*words: str) -> float:
    """Run a make target as a user does, its output on ours; returns seconds."""
    started = time.monotonic()
    argv = ["make", "--no-print-directory", *words]
    subprocess.run(argv, cwd=find_layout().root, check=True)
    return time.monotonic() - started


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """The sandbox with every release Synced and Healthy."""
    layout = find_layout()
    was_running = netns.exists() and bool(process.recorded_names(layout))
    before = snapshot(layout)
    try:
        measured("make up", make("up"), target=90)
    except subprocess.CalledProcessError as error:
        # It has said why on our output; every test would only repeat that.
        pytest.exit(f"{shlex.join(error.cmd)} failed", returncode=1)
    yield Loop()
    if not was_running:
        measured("make down", make("down"), target=20)
        assert snapshot(layout) == before, "make down left something behind"


@pytest.fixture(scope="session")
def sample(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a body for `POST /predict` of iris."""
    rows = json.loads((loop.worktree / "build/bundles/iris/sample.json").read_text())["rows"]
    path = tmp_path_factory.mktemp("sample") / "body.json"
    path.write_text(json.dumps({"features": rows[0]}))
    return path


@pytest.fixture(scope="session")
def ad_hoc(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdHocReleases]:
    """How tests install releases of their own, held to what an environment is held to."""
    with applied(loop, [restricted_namespace(NAMESPACE)]):
        yield AdHocReleases(loop, tmp_path_factory.mktemp("values"))
