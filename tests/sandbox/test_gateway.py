"""Envoy Gateway on the sandbox: the Gateway of the recipes, and the node's programs in its pods."""

from __future__ import annotations

from pathlib import Path

import yaml

from sandbox import gateway
from sandbox.layout import Layout
from tests.paths import ROOT

LAYOUT = Layout(root=Path("/srv/project"))
RECIPES = ROOT / "charts" / "ml-model" / "ci"


def test_routes_of_the_recipes_lead_to_the_gateway() -> None:
    metadata = gateway.gateway()["metadata"]
    for recipe in ("ab-test", "shadow"):
        values = yaml.safe_load((RECIPES / f"{recipe}-values.yaml").read_text(encoding="utf-8"))
        assert values["httpRoute"]["parents"] == {
            metadata["name"]: {"namespace": metadata["namespace"]}
        }


def test_the_gateway_is_of_the_class_that_envoy_gateway_is_responsible_for() -> None:
    assert (
        gateway.gateway()["spec"]["gatewayClassName"] == gateway.gateway_class()["metadata"]["name"]
    )


def test_a_linked_tool_is_mounted_from_where_it_is(tmp_path: Path) -> None:
    """The kubelet refuses a link as a file, and a container would not find its target."""
    built = tmp_path / "shared" / "envoy"
    built.parent.mkdir()
    built.touch()
    layout = Layout(root=tmp_path / "project")
    layout.bin.mkdir(parents=True)
    (layout.bin / "envoy").symlink_to(built)
    volume, mount = gateway.mounted(layout, "envoy")
    assert volume["hostPath"] == {"path": str(built), "type": "File"}
    assert mount["name"] == volume["name"]
    assert mount["readOnly"]


def test_every_container_has_the_program_that_it_starts() -> None:
    values = gateway.chart_values(LAYOUT, "registry.example/iris:1.0.0")
    envoy = values["config"]["envoyGateway"]["envoyProxy"]["provider"]["kubernetes"]
    pod, container = envoy["envoyDeployment"]["pod"], envoy["envoyDeployment"]["container"]
    template = envoy["envoyDeployment"]["patch"]["value"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    mounted = [*container["volumeMounts"], *template["containers"][0]["volumeMounts"]]
    mounted += values["deployment"]["pod"]["extraVolumeMounts"]
    folder = "/usr/local/bin"
    assert [each["mountPath"] for each in mounted] == [
        *(f"{folder}/{name}" for name in ("envoy", "envoy-gateway", "envoy-gateway"))
    ]
    for each in mounted:
        assert volumes[each["name"]] == f"/srv/project/.tools/bin/{each['name']}"
