"""Components are values: the fingerprint follows from their plan."""

from dataclasses import replace

import pytest

from sandbox.component import Component
from tests.sandbox.conftest import Always


def component(name: str) -> Component:
    return Component(name=name, argv=(f"/bin/{name}",), ready=Always())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"argv": ("/bin/a", "--more")}, id="argv"),
        pytest.param({"env": {"A": "1"}}, id="env"),
        pytest.param({"files": {"/f": "text"}}, id="files"),
        pytest.param({"in_netns": False}, id="in_netns"),
        pytest.param({"cwd": "/tmp"}, id="cwd"),
    ],
)
def test_the_fingerprint_changes_with_whatever_changes_the_process(
    change: dict[str, object],
) -> None:
    plain = component("a")
    assert replace(plain, **change).fingerprint != plain.fingerprint  # type: ignore[arg-type]


def test_the_fingerprint_ignores_what_does_not_change_the_process() -> None:
    plain = component("a")
    assert replace(plain, ready_seconds=1, stop_seconds=1).fingerprint == plain.fingerprint
