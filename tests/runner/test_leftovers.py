"""What a sandbox has left behind is what came, not what went."""

from __future__ import annotations

from tests.e2e import leftovers

HELD = {"namespaces": ["", "ml-model-sandbox"], "mounts": ["/run/netns"]}
CLEAN: dict[str, list[str]] = {"namespaces": [""], "mounts": []}


def test_what_a_killed_sandbox_had_left_may_be_gone() -> None:
    assert leftovers.added(HELD, CLEAN) == {}


def test_what_came_is_named() -> None:
    assert leftovers.added(CLEAN, HELD) == {
        "namespaces": ["ml-model-sandbox"],
        "mounts": ["/run/netns"],
    }
