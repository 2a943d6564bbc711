"""`make gateway`: Envoy Gateway for a running sandbox, and a Gateway that serves every namespace.

Installed from its own chart, with its own certificates and rights; it starts Envoy by itself, as
pods. In them run the pinned programs of the node, in an image that the node has anyway, so no
image has to be built for them. Must not know any model but by that image.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sandbox import additions, kube, netns
from sandbox.component import as_json
from sandbox.environments import read_releases
from sandbox.errors import SandboxError
from sandbox.gitops import open_gitops
from sandbox.layout import CLUSTER_DOMAIN
from sandbox.proc import run
from sandbox.wait import wait_until

if TYPE_CHECKING:
    from sandbox.additions import Object
    from sandbox.layout import Layout

# Where its control plane and its Envoys run.
NAMESPACE = "envoy-gateway-system"
# Of the Gateway; both names are those of the chart's recipes.
GATEWAYS = "gateways"
GATEWAY = "public"
CLASS = "envoy-gateway"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
PORT = 80
# Folders of definitions below `.tools/share`, each with the list of a kind that has to be served.
DEFINITIONS = {
    "crds-gateway-api": "/apis/gateway.networking.k8s.io/v1/httproutes",
    "crds-envoy-gateway": "/apis/gateway.envoyproxy.io/v1alpha1/backendtrafficpolicies",
}
# Of its chart: without certificates, which need its own image, and without its webhook.
TEMPLATES = (
    *("envoy-gateway-serviceaccount", "envoy-gateway-rbac", "infra-manager-rbac"),
    *("envoy-gateway-config", "envoy-gateway-service", "envoy-gateway-deployment"),
)
_READY_SECONDS = 120


def start(layout: Layout) -> str:
    """Start Envoy Gateway or bring it up to date; return what to do next.

    Raises SandboxError when no sandbox runs, its tools are not built, or no model is released.
    """
    additions.require_running(layout, "add Envoy Gateway to")
    share = layout.root / ".tools" / "share"
    folders = {share / name / "crds": listed for name, listed in DEFINITIONS.items()}
    needed = [program(layout, "envoy-gateway"), program(layout, "envoy"), *folders]
    additions.require_built("Envoy Gateway", needed, group="gateway", target="gateway")
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")):
            kube.apply_file(layout, file)
    for listed in folders.values():
        wait_until(f"{listed} served", partial(additions.served, layout, listed), 30)
    kube.apply(layout, namespaces())
    certify(layout)
    kube.apply(layout, [*control_plane(layout), gateway_class(), gateway()])
    found = kube.ObjectProbe(layout, gateway_path(), kube.condition("Programmed"))
    look = f"run `python3 -m sandbox kubectl get pods,events --namespace {NAMESPACE}`"
    wait_until("Gateway programmed", found.check, _READY_SECONDS, fix=look)
    return (
        f"Gateway {GATEWAYS}/{GATEWAY} serves on {address(layout)}:{PORT}. In a release set\n"
        f"  httpRoute: {{enabled: true, implementation: envoyGateway, hostnames: [MODEL.example], "
        f"parents: {{{GATEWAY}: {{namespace: {GATEWAYS}}}}}}}\n"
        f"  networkPolicy: {{from: {{gateway: {{namespaceSelector: {{matchLabels: "
        f"{{kubernetes.io/metadata.name: {NAMESPACE}}}}}}}}}}}\n"
        "then ask for a prediction:\n"
        "  python3 -m sandbox exec -- curl -s -H 'Host: MODEL.example' "
        f"http://{address(layout)}/model/info"
    )


def stop(layout: Layout) -> None:
    """Remove all but the definitions. Raises CommandError."""
    # In this order, because it is Envoy Gateway that removes the pods of Envoy.
    for objects in ([gateway_class(), gateway()], [*control_plane(layout), *namespaces()]):
        argv = kube.kubectl_argv(layout, ["delete", "--ignore-not-found", "--filename=-"])
        text = as_json({"apiVersion": "v1", "kind": "List", "items": objects})
        run(argv, stdin=text, timeout_seconds=_READY_SECONDS)


def address(layout: Layout) -> str:
    """Return where the Gateway serves, as it says itself; empty before it does."""
    found = kube.get(layout, gateway_path()) or {}
    addresses = found.get("status", {}).get("addresses") or [{"value": ""}]
    return str(addresses[0]["value"])


def gateway_path() -> str:
    """Return the path of the Gateway in the API."""
    return f"/apis/gateway.networking.k8s.io/v1/namespaces/{GATEWAYS}/gateways/{GATEWAY}"


def program(layout: Layout, name: str) -> Path:
    """Return a pinned program as pods have to mount it: a tool may be a link."""
    return Path(layout.tool(name)).resolve()


def namespaces() -> list[Object]:
    """Return the namespaces of the control plane and of the Gateway."""
    names = (NAMESPACE, GATEWAYS)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in names]


def gateway_class() -> Object:
    """Return what makes Envoy Gateway responsible for a Gateway."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": CLASS},
        "spec": {"controllerName": CONTROLLER},
    }


def gateway() -> Object:
    """Return a Gateway for every host, with routes of every namespace."""
    listener = {
        "name": "http",
        "port": PORT,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": GATEWAYS},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    }


def certify(layout: Layout) -> None:
    """Have Envoy Gateway make its certificates unless it has some, as its chart does in a job.

    Raises CommandError.
    """
    run(
        netns.enter_argv([layout.tool("envoy-gateway"), "certgen", "--disable-topology-injector"]),
        env={
            "KUBECONFIG": str(layout.inner_kubeconfig),
            "ENVOY_GATEWAY_NAMESPACE": NAMESPACE,
            "KUBERNETES_CLUSTER_DOMAIN": CLUSTER_DOMAIN,
        },
        # Seconds on an idle machine.
        timeout_seconds=_READY_SECONDS,
    )


def control_plane(layout: Layout) -> list[Object]:
    """Return the objects of its chart. Raises SandboxError, CommandError."""
    chart = layout.root / ".tools" / "share" / "envoy-gateway" / "gateway-helm"
    values = as_json(chart_values(layout, any_image(layout)))
    done = run(
        [
            *(layout.tool("helm4"), "template", "eg", chart),
            *("--namespace", NAMESPACE, "--kube-version", "1.36.1"),
            # The module has the template of its values: what a release fills in, ours set.
            *("--values", chart / "values.tmpl.yaml", "--values", "-"),
            *(word for name in TEMPLATES for word in ("--show-only", f"templates/{name}.yaml")),
        ],
        stdin=values,
    )
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    for item in objects:
        if item["kind"] == "Deployment":
            # The image is another's, and would start something else.
            item["spec"]["template"]["spec"]["containers"][0]["command"] = ["envoy-gateway"]
    return objects


def any_image(layout: Layout) -> str:
    """Return an image with a C library that the node has. Raises SandboxError."""
    root = open_gitops(layout).worktree
    images = [release.image for release in read_releases(root)]
    if not images:
        raise SandboxError(
            "no image to run Envoy in",
            found=f"no release in {root / 'environments'}",
            expected="at least one released model, whose image the node has",
            fix="release a model: `make pipeline MODEL=iris`",
        )
    return images[0]


def chart_values(layout: Layout, image: str) -> dict[str, Any]:
    """Return values of Envoy Gateway's chart: that image, and the node's programs in it."""
    control = mounted(layout, "envoy-gateway")
    proxy = mounted(layout, "envoy")
    shutdown = {"name": "shutdown-manager", "volumeMounts": [control[1]]}
    envoy = {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "container": {
                        "image": image,
                        "volumeMounts": [proxy[1]],
                        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                    },
                    "pod": {"volumes": [control[0], proxy[0]]},
                    "patch": {
                        "type": "StrategicMerge",
                        "value": {"spec": {"template": {"spec": {"containers": [shutdown]}}}},
                    },
                },
                # By default one of a cloud's load balancers.
                "envoyService": {"type": "ClusterIP"},
            },
        },
        "concurrency": 2,
        # A minute by default, which a sandbox that ends does not wait for.
        "shutdown": {"drainTimeout": "5s", "minDrainDuration": "1s"},
    }
    return {
        "global": {"images": {"envoyGateway": {"image": image, "pullPolicy": "IfNotPresent"}}},
        "crds": {"enabled": False},
        "deployment": {
            "envoyGateway": {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}},
            "pod": {"extraVolumes": [control[0]], "extraVolumeMounts": [control[1]]},
        },
        "config": {
            "envoyGateway": {
                "provider": {
                    "type": "Kubernetes",
                    "kubernetes": {
                        "leaderElection": {"disable": True},
                        # A webhook that tells Envoy its zone; the node has none.
                        "proxyTopologyInjector": {"disabled": True},
                        "shutdownManager": {"image": image},
                    },
                },
                "envoyProxy": envoy,
            }
        },
    }


def mounted(layout: Layout, name: str) -> tuple[Object, Object]:
    """Return a volume with a program of the node, and where a container has it."""
    source = {"path": str(program(layout, name)), "type": "File"}
    mount = {"name": name, "mountPath": f"/usr/local/bin/{name}", "readOnly": True}
    return {"name": name, "hostPath": source}, mount
