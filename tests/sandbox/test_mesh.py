"""Istio on the node: reachable where it has to be, and nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandbox import mesh
from sandbox.component import Component
from sandbox.components import mesh as processes
from sandbox.layout import MESH_GATEWAY_PORT, Layout

LAYOUT = Layout(root=Path("/srv/project"))


def test_control_plane_listens_on_loopback_only() -> None:
    addresses = [
        word.partition("=")[2]
        for word in processes.istiod(LAYOUT).argv
        if re.match(r"--\w*Addr=", word)
    ]
    assert len(addresses) == 5
    assert all(each == "" or each.startswith("127.0.0.1:") for each in addresses)


def bootstrap_of(component: Component) -> dict[str, dict[str, dict[str, str]]]:
    (text,) = component.files.values()
    content: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return content


def test_gateway_is_the_one_that_the_gateway_object_selects() -> None:
    node = bootstrap_of(processes.gateway(LAYOUT))["node"]
    spec = mesh.gateway()["spec"]
    assert node["metadata"]["LABELS"] == spec["selector"]
    (server,) = spec["servers"]
    assert server["port"]["number"] == MESH_GATEWAY_PORT


@pytest.mark.parametrize(
    "component", [processes.istiod(LAYOUT), processes.gateway(LAYOUT)], ids=lambda c: c.name
)
def test_no_address_of_a_process_is_the_users(component: Component) -> None:
    """Nothing of the user's shell, and nothing outside of the project's folder."""
    assert "KUBECONFIG" not in component.env
    assert component.argv[0].startswith("/srv/project/.tools/bin/")
    assert all(path.is_relative_to(LAYOUT.home) for path in component.files)
