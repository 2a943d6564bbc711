"""A layout in a temporary folder, and processes without root: no cgroup, no namespace."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import cgroup, process
from sandbox.component import Component
from sandbox.layout import Layout
from sandbox.probes import Probe
from sandbox.wait import Answer

MakeComponent = Callable[..., Component]


class Always:
    """A probe with one answer."""

    def __init__(self, ready: bool = True, state: str = "as told") -> None:
        self.answer = Answer(ready, state)

    def check(self) -> Answer:
        return self.answer


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path)


@pytest.fixture
def python(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeComponent]:
    """Make components that run a line of Python in the host's namespace; stop them at the end."""
    started = []
    numbers = itertools.count()

    def no_cgroup(name: str) -> Path:
        started.append(name)
        return tmp_path / f"cgroup-{name}"

    monkeypatch.setattr(cgroup, "component_procs", no_cgroup)
    monkeypatch.setattr(cgroup, "kill", lambda *_: 0)

    def make(code: str, name: str = "", ready: Probe | None = None, **options: object) -> Component:
        return Component(
            name=name or f"python{next(numbers)}",
            argv=(sys.executable, "-c", code),
            ready=ready or Always(),
            in_netns=False,
            **options,  # type: ignore[arg-type]
        )

    yield make
    for name in started:
        process.stop(layout, name, 1)
