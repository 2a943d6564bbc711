"""The whole plan of every component, compared with a file a person has read.

`UPDATE_GOLDEN=1 pytest tests/sandbox/test_builders.py` writes the files; read the difference.
"""

import os
from pathlib import Path

import pytest

from sandbox import delivery
from sandbox.cluster import cluster_steps
from sandbox.component import Component
from sandbox.forwards import Forward, api_forward
from sandbox.layout import Layout

GOLDEN = Path(__file__).parent / "golden"
LAYOUT = Layout(root=Path("/srv/project"))
FORWARDS = [api_forward(LAYOUT), Forward(18080, "service:ml-dev/iris:80")]
STEPS = [*cluster_steps(LAYOUT, FORWARDS), *delivery.steps(LAYOUT)]
COMPONENTS = [step.component for step in STEPS if step.component]


def describe(component: Component) -> str:
    """Return the plan as text; the interpreter's own path is the only thing that may differ."""
    argv = list(component.argv)
    argv[0] = "python" if Path(argv[0]).name.startswith("python") else argv[0]
    lines = [
        f"name: {component.name}",
        f"in netns: {component.in_netns}",
        f"ready within {component.ready_seconds:g} s: {component.ready}",
        f"stopped within {component.stop_seconds:g} s",
        *(f"env: {name}={value}" for name, value in component.env.items()),
        "argv:",
        *(f"  {word}" for word in argv),
    ]
    for path, text in component.files.items():
        lines += [f"file {path}:", *(f"  {line}" for line in text.splitlines())]
    return "\n".join(line.rstrip() for line in lines) + "\n"


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_the_plan_of_each_component_is_the_one_that_was_read(component: Component) -> None:
    golden = GOLDEN / f"{component.name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(describe(component))
    assert describe(component) == golden.read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {each.name for each in COMPONENTS}


def test_components_start_after_those_they_depend_on() -> None:
    assert [component.name for component in COMPONENTS] == [
        *("etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("kubelet", "kube-proxy", "coredns", "metrics-server", "forwarder"),
        *("redis", "registry", "argocd-repo-server", "argocd-server"),
        *("argocd-applicationsets", "argocd-controller"),
    ]


def test_builders_touch_nothing_on_disk() -> None:
    assert not LAYOUT.root.exists()
