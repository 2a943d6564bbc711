"""The end-to-end scenarios: what each guards, which tools it runs, about how long it takes.

`make test` runs the tests marked `loop`, the core of what is promised, and the whole scenarios
that guard what a change touches; `make test-all` runs everything. Groups of scenarios run side by
side on one sandbox, because each of them waits most of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

# How many seconds of touched scenarios `make test` adds to the loop, in each group.
TOUCHED_SECONDS = 240
# Changes what Argo CD looks after: git, its projects, its processes. One after another.
ARGOCD = "argocd"
# Has a namespace of its own, and takes from git only what nobody changes; environments are in a
# copy (`Loop.found`). Beside all of the group before.
RELEASES = "releases"
# Adds controllers to the sandbox, and has Applications of its own: when the loop has been measured
# without both.
DELIVERY = "delivery"
# Adds Istio, and the controllers of the group before, which it ends as that does; Envoy Gateway.
MESH = "mesh"
# Restarts the sandbox that everything else needs: when all others are done.
RESTARTS = "restarts"
# Starts a sandbox of its own. Two kubelets on one machine conflict: when the shared one is gone.
BARE = "bare"
# What runs side by side, in the order of the summary, and what comes after it.
ROUNDS = (
    {ARGOCD: "end to end: Argo CD", RELEASES: "end to end: releases of plain Helm"},
    {DELIVERY: "end to end: progressive delivery"},
    {MESH: "end to end: Istio and Envoy Gateway"},
    {RESTARTS: "end to end: restarts"},
)
AFTERWARDS = ({BARE: "end to end: a sandbox of its own"},)
CHART = "charts/ml-model/templates/*"
MAX_SPECIFICITY = 1000
VALUES = "charts/ml-model/values.yaml"


@dataclass(frozen=True)
class Scenario:
    """One file of tests. `paths`: patterns of files that it guards (`*` also matches `/`).

    `seconds`: measured on two cores, without those of its tests that belong to the loop. `group`:
    what it may run beside; a test of it may be marked with another one.
    """

    file: str
    seconds: int
    paths: tuple[str, ...]
    tools: tuple[str, ...] = ()
    group: str = ARGOCD

    def specificity(self, name: str) -> int:
        """How closely this scenario guards that file; 0 if it does not.

        The length of what a pattern spells out: `_download*` says more than all templates.
        """
        if name == f"tests/e2e/{self.file}":
            return MAX_SPECIFICITY
        matching = [path for path in self.paths if fnmatch(name, path)]
        return max((len(path.replace("*", "")) for path in matching), default=0)


SCENARIOS = (
    Scenario(
        "test_batch_job.py", 200,
        (
            *("app/batch/*", f"{CHART}_batch*", f"{CHART}batch*", f"{CHART}_job*"),
            "charts/ml-model/files/batch.yaml",
        ),
        group=RELEASES,
    ),
    Scenario(
        "test_bootstrap.py", 120,
        ("modelctl/cluster/bootstrap.py", "modelctl/cluster/context.py", "argocd/*"),
    ),
    Scenario(
        "test_cache.py", 90, ("app/cache/*", f"{CHART}_cache*", f"{CHART}requirements-cache*"),
        group=RELEASES,
    ),
    Scenario(
        "test_canary.py", 230,
        (f"{CHART}rollout*", f"{CHART}_rollout*", "argocd/templates/models.yaml",
         "modelctl/cluster/transition.py", "sandbox/progressive.py", "tools/argo-rollouts/*"),
        ("delivery",),
        group=DELIVERY,
    ),
    Scenario(
        "test_chart.py", 130,
        (CHART, VALUES, "charts/ml-model/Chart.yaml", "docs/how-to/chart-recipes.md"),
        group=RELEASES,
    ),
    Scenario(
        "test_chart_promotion.py", 110,
        ("modelctl/rendering/chart*.py", "sandbox/charts.py", "argocd/templates/*"),
    ),
    Scenario("test_cluster.py", 40, ("argocd/templates/*", "kustomize/environments/*")),
    Scenario("test_compose.py", 60, ("deploy/compose/*", "Dockerfile"), group=RELEASES),
    Scenario(
        "test_consumer.py", 200,
        (
            *("app/consume/*", f"{CHART}_consumer*", f"{CHART}consumer*", f"{CHART}_queue*"),
            "tests/e2e/queueing.py",
        ),
        ("scaling",),
        group=DELIVERY,
    ),
    Scenario(
        "test_disruption.py", 60, (CHART, "app/front/*", "app/gunicorn_conf.py"), group=RELEASES
    ),
    Scenario(
        "test_delivery_walkthrough.py", 240,
        ("docs/how-to/progressive-delivery.md",),
        ("delivery",),
        group=DELIVERY,
    ),
    Scenario(
        "test_download.py", 90, ("app/fetch/*", "Dockerfile", f"{CHART}_download*"), ("minio",),
        group=RELEASES,
    ),
    Scenario(
        "test_drill.py", 360,
        ("sandbox/drill.py", "sandbox/disaster.py", "sandbox/copies.py", "sandbox/inventory.py"),
        group=RESTARTS,
    ),
    # Beside what deletes the namespaces of environments, objects in them are refused.
    Scenario("test_dry_run.py", 30, (CHART, "environments/*")),
    Scenario("test_gateway.py", 10, (CHART, "tools/traefik/*"), group=RELEASES),
    Scenario(
        "test_images.py", 200, ("Dockerfile", "requirements/*", "sandbox/images.py"), group=RELEASES
    ),
    Scenario(
        "test_keda.py", 60,
        (f"{CHART}scaledobject*", "tools/keda/*", "tests/e2e/keda.py"),
        ("scaling",),
        group=DELIVERY,
    ),
    Scenario(
        "test_kustomize.py", 60, ("kustomize/*", "modelctl/rendering/kustomize_base.py")
    ),
    Scenario(
        "test_lifecycle.py", 90,
        tuple(f"sandbox/{name}.py" for name in ("cluster", "cgroup", "host", "process", "netns")),
        group=BARE,
    ),
    Scenario(
        "test_interruptions.py", 240,
        (f"{CHART}rollout*", f"{CHART}_rollout*", "sandbox/progressive.py",
         "tools/argo-rollouts/*"),
        ("delivery",),
        group=DELIVERY,
    ),
    Scenario(
        "test_mesh.py", 240,
        (f"{CHART}istio*", f"{CHART}_istio*", f"{CHART}virtualservice*", f"{CHART}destinationrule*",
         f"{CHART}_grpc*", "sandbox/mesh.py", "sandbox/components/mesh.py", "tools/istio/*",
         "tools/envoy/*"),
        ("delivery", "mesh"),
        group=MESH,
    ),
    Scenario("test_notifications.py", 90, ("argocd/install/*", "argocd/values.yaml")),
    Scenario(
        "test_observe.py", 200,
        ("sandbox/observe.py", "sandbox/monitors.py", f"{CHART}rule*", f"{CHART}monitor*",
         "charts/ml-model/files/rules.yaml"),
        ("prometheus", "prometheus-adapter"),
        group=RELEASES,
    ),
    Scenario(
        "test_pipeline.py", 240,
        ("sandbox/pipeline.py", "sandbox/signing.py", "modelctl/supply/*", "modelctl/quality/*",
         "app/server.py"),
        ("cosign",),
    ),
    Scenario(
        "test_promises.py", 240,
        ("argocd/*", "modelctl/promotion/rollback.py", "modelctl/promotion/freeze.py"),
    ),
    Scenario(
        "test_recovery.py", 240,
        ("argocd/templates/*", "kustomize/environments/base/*", "deploy/admission/baseline*"),
    ),
    Scenario("test_resize.py", 60, (CHART,), group=RELEASES),
    Scenario(
        "test_restart.py", 200,
        tuple(f"sandbox/{name}.py" for name in ("cluster", "delivery", "steps", "process")),
        group=RESTARTS,
    ),
    Scenario("test_retire.py", 110, ("modelctl/promotion/retire.py",)),
    Scenario("test_scale.py", 60, ("argocd/templates/*",)),
    Scenario("test_scaling.py", 90, (f"{CHART}autoscal*", "sandbox/objects.py"), group=RELEASES),
    Scenario("test_settings.py", 15, ("argocd/install/*",), group=RELEASES),
    Scenario("test_sources.py", 90, (f"{CHART}deployment*", "app/model/bundle.py"), group=RELEASES),
    Scenario(
        "test_supply_chain.py", 120,
        ("modelctl/supply/*", "deploy/admission/*", "tools/cosign/*", "sandbox/signing.py",
         f"{CHART}_signature*"),
        ("cosign",),
        group=RELEASES,
    ),
    Scenario(
        "test_switch.py", 100,
        (f"{CHART}rollout*", f"{CHART}smoke*", "sandbox/progressive.py"),
        ("delivery",),
        group=DELIVERY,
    ),
    Scenario(
        "test_training.py", 200,
        (
            *("modelctl/training/*", f"{CHART}_training*", f"{CHART}training*", f"{CHART}_job*"),
            "charts/ml-model/files/training.yaml",
        ),
        ("scaling",),
        group=DELIVERY,
    ),
    Scenario(
        "test_truth.py", 180,
        (
            "modelctl/cluster/live.py", "modelctl/cluster/argocd.py",
            "modelctl/cluster/workload.py", "modelctl/cluster/wait.py",
            "modelctl/repository/followed.py",
        ),
    ),
    Scenario("test_upgrade.py", 90, (CHART, VALUES), group=RELEASES),
    Scenario(
        "test_variants.py", 180,
        (f"{CHART}_variants*", f"{CHART}backendtrafficpolicy*", "modelctl/delivery/assignment.py",
         f"{CHART}_grpc*", f"{CHART}grpcroute*", "sandbox/gateway.py", "tools/envoy-gateway/*",
         "tools/envoy/*"),
        ("gateway",),
        group=MESH,
    ),
    Scenario(
        "test_verdict.py", 900,
        ("charts/ml-model/files/verdict.yaml", f"{CHART}_verdict*", f"{CHART}analysis*",
         "modelctl/cluster/analysis.py", "modelctl/promotion/aborted.py"),
        ("delivery", "prometheus", "crds-prometheus"),
        group=DELIVERY,
    ),
    Scenario("test_walkthroughs.py", 160, ("docs/tutorial/*", "docs/how-to/add-an-environment.md")),
)  # fmt: skip
# What the loop itself runs beside the cluster.
LOOP_TOOLS = ("traefik", "crds-traefik", "delivery")


@dataclass(frozen=True)
class Choice:
    """What of the end-to-end tests a run takes: always the loop, and `files` as a whole.

    `no_time`: those that guard what was changed and did not fit; `left`: all others.
    """

    files: tuple[str, ...]
    left: tuple[str, ...]
    no_time: tuple[str, ...]
    tools: tuple[str, ...]


def choose(changed: Iterable[str]) -> Choice:
    """The scenarios that guard the changed files, as many as their time allows.

    A scenario that was itself edited comes first, then those that guard a file most closely, in the
    order of the list.
    """
    names = set(changed)
    closeness = {each: max(map(each.specificity, names), default=0) for each in SCENARIOS}
    touched = sorted(filter(closeness.get, SCENARIOS), key=lambda each: -closeness[each])
    taken: list[Scenario] = []
    for each in touched:
        planned = sum(other.seconds for other in taken if other.group == each.group)
        if planned + each.seconds <= TOUCHED_SECONDS:
            taken.append(each)
    return _choice(taken, touched)


def group_of(file: str, marked: str = "") -> str:
    """The group of a test: the one it is marked with, else its file's, else Argo CD's.

    Raises ValueError for a group that nothing runs, because the test would be left out in silence.
    """
    known = [name for groups in (*ROUNDS, *AFTERWARDS) for name in groups]
    listed = {each.file: each.group for each in SCENARIOS}
    found = marked or listed.get(file, ARGOCD)
    if found not in known:
        raise ValueError(f"{file}: group {found!r}: expected one of {', '.join(known)}")
    return found


def rounds(choice: Choice, planned: Sequence[Mapping[str, str]] = ROUNDS) -> list[dict[str, str]]:
    """The groups that a run has tests of, with their titles: those of a round run side by side.

    The loop has tests in the first three. `planned`: those on the shared sandbox, or afterwards.
    """
    chosen = {ARGOCD, RELEASES, DELIVERY, *map(group_of, choice.files)}
    picked = [{name: title for name, title in each.items() if name in chosen} for each in planned]
    return [each for each in picked if each]


def everything() -> Choice:
    """All of them."""
    return _choice(SCENARIOS, SCENARIOS)


def _choice(taken: Collection[Scenario], touched: Collection[Scenario]) -> Choice:
    tools = [*LOOP_TOOLS, *(tool for each in taken for tool in each.tools)]
    return Choice(
        files=tuple(each.file for each in taken),
        left=tuple(each.file for each in SCENARIOS if each not in touched),
        no_time=tuple(each.file for each in touched if each not in taken),
        tools=tuple(dict.fromkeys(tools)),
    )
