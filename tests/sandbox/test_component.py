"""Components are values: order follows from their links, the fingerprint from their plan."""

from dataclasses import replace

import pytest

from sandbox.component import Component, start_order
from sandbox.errors import SandboxError
from tests.sandbox.conftest import Always


def component(name: str, *after: str) -> Component:
    return Component(name=name, argv=(f"/bin/{name}",), ready=Always(), after=after)


def names(*components: Component) -> list[str]:
    return [each.name for each in start_order(components)]


def test_each_component_starts_after_those_it_names() -> None:
    ordered = names(component("kubelet", "api", "containerd"), component("api", "etcd"),
                    component("containerd"), component("etcd"))  # fmt: skip
    assert ordered.index("etcd") < ordered.index("api") < ordered.index("kubelet")
    assert ordered.index("containerd") < ordered.index("kubelet")


@pytest.mark.parametrize(
    ("components", "found"),
    [
        pytest.param(
            [component("a"), component("a")], "two components are named 'a'", id="same-name"
        ),
        pytest.param(
            [component("a", "b")],
            "'a' starts after 'b', which is no component",
            id="unknown-name",
        ),
        pytest.param(
            [component("a", "b"), component("b", "a")],
            "they wait for each other: a -> b -> a",
            id="circle",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_the_reason(components: list[Component], found: str) -> None:
    with pytest.raises(SandboxError) as caught:
        start_order(components)
    assert caught.value.found == found


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
    assert replace(plain, ready_seconds=1, after=("b",)).fingerprint == plain.fingerprint
