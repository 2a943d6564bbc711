"""What the argocd/ chart promises: least privilege, no accidental deletion, git always wins."""

from __future__ import annotations

import pytest
import yaml

from tests import rendering
from tests.paths import ROOT

REPOSITORY = "https://git.example/fork.git"
REGISTRY = "registry.example:5000/charts"
ENVIRONMENTS = rendering.environments()
NAMES = [environment["name"] for environment in ENVIRONMENTS]
EVERYTHING = ROOT / "tests" / "chart" / "values" / "everything.yaml"
ARGUMENTS = [
    *rendering.values(rendering.ENVIRONMENTS / "environments.yaml"),
    "--set",
    f"repoURL={REPOSITORY},revision=main,chartRegistry={REGISTRY}",
]


@pytest.fixture(scope="module")
def manifests() -> list[rendering.Manifest]:
    """All that the root Application renders."""
    return rendering.template("helm4", rendering.ARGOCD_CHART, "root", "argocd", *ARGUMENTS)


@pytest.fixture(scope="module")
def sets(manifests: list[rendering.Manifest]) -> dict[str, rendering.Manifest]:
    """The specs of the ApplicationSets by name."""
    found = rendering.of_kind(manifests, "ApplicationSet")
    return {manifest["metadata"]["name"]: manifest["spec"] for manifest in found}


@pytest.fixture(scope="module")
def projects(manifests: list[rendering.Manifest]) -> dict[str, rendering.Manifest]:
    """The specs of the AppProjects by name."""
    found = rendering.of_kind(manifests, "AppProject")
    return {manifest["metadata"]["name"]: manifest["spec"] for manifest in found}


def test_both_helms_render_the_same(manifests: list[rendering.Manifest]) -> None:
    by_helm_3 = rendering.template("helm3", rendering.ARGOCD_CHART, "root", "argocd", *ARGUMENTS)
    assert by_helm_3 == manifests


def test_everything_is_in_the_namespace_of_argo_cd(manifests: list[rendering.Manifest]) -> None:
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"argocd"}


def test_every_environment_has_two_projects(projects: dict[str, rendering.Manifest]) -> None:
    assert set(projects) == {f"{name}-{kind}" for name in NAMES for kind in ("baseline", "models")}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
@pytest.mark.parametrize("kind", ["baseline", "models"])
def test_project_allows_one_namespace_and_the_sources_it_needs(
    projects: dict[str, rendering.Manifest], environment: dict[str, str], kind: str
) -> None:
    project = projects[f"{environment['name']}-{kind}"]
    released = kind == "models" and environment is not ENVIRONMENTS[0]
    assert project["sourceRepos"] == [REPOSITORY, *([REGISTRY] if released else [])]
    assert project["destinations"] == [
        {"name": environment["cluster"], "namespace": environment["namespace"]}
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_models_cannot_touch_what_the_baseline_guards(
    projects: dict[str, rendering.Manifest], environment: dict[str, str]
) -> None:
    project = projects[f"{environment['name']}-models"]
    kinds = {entry["kind"] for entry in project["namespaceResourceWhitelist"]}
    assert project["clusterResourceWhitelist"] == []
    assert not kinds & {"Namespace", "ResourceQuota", "LimitRange", "Role", "RoleBinding", "*"}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_models_may_have_exactly_the_kinds_that_the_chart_can_render(
    projects: dict[str, rendering.Manifest], environment: dict[str, str]
) -> None:
    allowed = {
        (entry["group"], entry["kind"])
        for entry in projects[f"{environment['name']}-models"]["namespaceResourceWhitelist"]
    }
    rendered = [
        manifest
        for other in (
            "metrics.monitor=PodMonitor",
            "keda.enabled=true,autoscaling.enabled=false",
            "rollout.strategy=canary,rollout.router=traefik,ingress.enabled=false"
            ",istio.virtualService.enabled=false,grpcRoute.enabled=false",
            "rollout.strategy=canary,rollout.router=istio"
            ",ingress.enabled=false,httpRoute.enabled=false,grpcRoute.enabled=false",
            "istio.jwt.a.issuer=a,istio.jwt.a.jwksUri=https://a.example/keys,test.enabled=false",
            "rollout.strategy=blueGreen",
            "consumer.enabled=true,consumer.queue.url=redis://redis.messaging"
            ",consumer.credentials.secretName=a,consumer.credentials.password=b"
            ",consumer.autoscaling.enabled=true",
            "batch.a.inputs.a=s3://a,batch.a.out=s3://b,batch.a.egress.a.ports[0].port=443",
            "training.a.out=s3://a,training.a.image.repository=a,training.a.image.digest=sha256:"
            f"{'e' * 64},training.a.egress.a.ports[0].port=443"
            ",training.a.queue.url=redis://redis.messaging",
            f"variants.b.image.digest=sha256:{'c' * 64},variants.b.model.digest=sha256:{'d' * 64}"
            ",variants.b.model.version=v2,variants.b.share=10,ingress.enabled=false"
            ",istio.virtualService.enabled=false"
            ",httpRoute.implementation=envoyGateway,httpRoute.unit.header=x-user",
        )
        for manifest in rendering.template(
            "helm4",
            rendering.CHART,
            "iris",
            environment["namespace"],
            *rendering.values(EVERYTHING),
            "--skip-tests",
            "--set",
            other,
            # No environment of the name production may have them.
            *("--set", "istio.virtualService.faults.delayPercent=0"),
            *("--set", "istio.virtualService.faults.abortPercent=0"),
        )
    ]
    assert allowed == {
        (manifest["apiVersion"].rpartition("/")[0], manifest["kind"]) for manifest in rendered
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_models_may_have_no_envoy_filter_which_could_undo_policies_of_the_mesh(
    projects: dict[str, rendering.Manifest], environment: dict[str, str]
) -> None:
    """The chart renders one for `httpRoute.unit` in Istio: a platform team decides about it."""
    entries = projects[f"{environment['name']}-models"]["namespaceResourceWhitelist"]
    assert "EnvoyFilter" not in {entry["kind"] for entry in entries}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)
def test_baseline_may_have_what_its_overlay_builds_and_no_other_namespace(
    projects: dict[str, rendering.Manifest], environment: dict[str, str]
) -> None:
    project = projects[f"{environment['name']}-baseline"]
    assert project["clusterResourceWhitelist"] == [
        {"group": "", "kind": "Namespace", "name": environment["namespace"]}
    ]
    built = rendering.build_overlay(rendering.OVERLAYS / environment["name"])
    built += [
        manifest
        for path in (rendering.OVERLAYS.parent / "components").glob("*/[!k]*.yaml")
        for manifest in rendering.parse(path.read_text(encoding="utf-8"))
    ]
    needed = {manifest["kind"] for manifest in built if manifest["kind"] != "Namespace"}
    assert needed == {entry["kind"] for entry in project["namespaceResourceWhitelist"]}


@pytest.mark.parametrize("name", ["namespaces", "baselines", "models"])
class TestEverySet:
    """What the ApplicationSets have in common."""

    def test_deletes_no_running_model_when_its_generator_changes(
        self, sets: dict[str, rendering.Manifest], name: str
    ) -> None:
        assert sets[name]["syncPolicy"] == {
            "applicationsSync": "create-update",
            "preserveResourcesOnDeletion": True,
        }
        assert "finalizers" not in sets[name]["template"]["metadata"]

    def test_fails_on_a_parameter_that_does_not_exist(
        self, sets: dict[str, rendering.Manifest], name: str
    ) -> None:
        assert sets[name]["goTemplate"] is True
        assert sets[name]["goTemplateOptions"] == ["missingkey=error"]

    def test_lets_an_operator_pause_one_application(
        self, sets: dict[str, rendering.Manifest], name: str
    ) -> None:
        assert sets[name]["ignoreApplicationDifferences"] == [
            {"jsonPointers": ["/spec/syncPolicy/automated"]}
        ]

    def test_heals_prunes_and_never_stops_trying(
        self, sets: dict[str, rendering.Manifest], name: str
    ) -> None:
        policy = sets[name]["template"]["spec"]["syncPolicy"]
        assert policy["automated"] == {"prune": True, "selfHeal": True}
        assert policy["retry"]["limit"] == -1
        assert policy["retry"]["refresh"] is True
        assert policy["retry"]["backoff"]["maxDuration"] == "20s"
        assert {"ServerSideApply=true", "ApplyOutOfSyncOnly=true"} <= set(policy["syncOptions"])


@pytest.mark.parametrize(("name", "part"), [("namespaces", "namespace"), ("baselines", "baseline")])
def test_namespaces_and_baselines_come_one_for_each_environment(
    sets: dict[str, rendering.Manifest], name: str, part: str
) -> None:
    (generator,) = sets[name]["generators"]
    assert generator["list"]["elements"] == [
        {"environment": e["name"], "namespace": e["namespace"], "cluster": e["cluster"]}
        for e in ENVIRONMENTS
    ]
    template = sets[name]["template"]
    assert template["metadata"]["name"] == f"{{{{.environment}}}}-{part}"
    assert template["spec"]["project"] == "{{.environment}}-baseline"
    source = dict(template["spec"]["source"])
    assert source.pop("kustomize").keys() == {"patches"}
    assert source == {
        "repoURL": REPOSITORY,
        "targetRevision": "main",
        "path": "kustomize/environments/overlays/{{.environment}}",
    }


def test_models_come_one_for_each_version_file(sets: dict[str, rendering.Manifest]) -> None:
    (generator,) = sets["models"]["generators"]
    environments, files = generator["matrix"]["generators"]
    assert [e["environment"] for e in environments["list"]["elements"]] == NAMES
    assert files["git"]["files"] == [{"path": "environments/{{.environment}}/*/version.yaml"}]
    assert files["git"]["requeueAfterSeconds"] == 180
    # A version file has the keys image and model: the prefix must be neither.
    assert files["git"]["pathParamPrefix"] == "release"


def test_first_environment_takes_the_chart_from_the_commit_and_the_others_from_the_registry(
    sets: dict[str, rendering.Manifest],
) -> None:
    (generator,) = sets["models"]["generators"]
    elements = generator["matrix"]["generators"][0]["list"]["elements"]
    assert [e["chartFrom"] for e in elements] == ["commit", *["registry"] * (len(NAMES) - 1)]
    for element in elements:
        assert (element["repoURL"], element["revision"]) == (REPOSITORY, "main")
        assert element["chartRegistry"] == REGISTRY
        # mergo lets a version file's own key win over an empty value.
        assert all(element.values())


def test_model_is_rendered_anew_only_when_its_own_files_change(
    sets: dict[str, rendering.Manifest],
) -> None:
    annotations = sets["models"]["template"]["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/manifest-generate-paths"].split(";") == [
        '{{ if eq .chartFrom "commit" }}/charts/ml-model',
        "{{ end }}/environments/{{.environment}}/common.yaml",
        "/environments/{{.environment}}/{{.release.path.basename}}",
    ]


def test_a_second_repository_of_an_argo_cd_has_sets_of_its_own() -> None:
    manifests = rendering.template(
        "helm4", rendering.ARGOCD_CHART, "fraud", "argocd", *ARGUMENTS, "--set", "name=fraud"
    )
    names = {m["metadata"]["name"] for m in rendering.of_kind(manifests, "ApplicationSet")}
    assert names == {"fraud-namespaces", "fraud-baselines", "fraud-models"}


def test_repository_is_named_by_the_root_application_alone() -> None:
    rendered = [*rendering.ARGOCD_CHART.glob("*.yaml"), *rendering.ARGOCD_CHART.glob("[ft]*/*")]
    assert [path for path in rendered if "://" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("repoURL=", "repoURL"),
        ("environments=null", "environments"),
        ("environments[0].names=a", "names"),
        ("environments[0].promotion=manual", "promotion"),
        ("requeueAfterSeconds=0", "requeueAfterSeconds"),
        ("chartRegistry=", "chartRegistry"),
        ("chartRegistry=oci://registry.example/charts", "chartRegistry"),
        ("repoUrl=a", "repoUrl"),
    ],
)
def test_values_are_refused_by_name(setting: str, named: str) -> None:
    result = rendering.try_template(
        "helm4", rendering.ARGOCD_CHART, "root", "argocd", *ARGUMENTS, "--set", setting
    )
    assert result.code == 1
    assert named in result.stderr


def test_health_of_an_application_counts_in_the_root_application() -> None:
    settings = rendering.ARGOCD_CHART / "install" / "argocd-cm.yaml"
    data = yaml.safe_load(settings.read_text(encoding="utf-8"))["data"]
    assert (
        "obj.status.health.status"
        in (data["resource.customizations.health.argoproj.io_Application"])
    )


def test_values_come_before_the_chart(manifests: list[rendering.Manifest]) -> None:
    """What Argo CD records is never newer than what it rendered: docs/decisions/0007."""
    sets = {
        each["metadata"]["name"]: each for each in rendering.of_kind(manifests, "ApplicationSet")
    }
    patch = sets["models"]["spec"]["templatePatch"]
    assert 0 < patch.index("ref: values") < patch.index("chart: ml-model")
