"""The chart travels like a version: an edited template reaches an environment by promotion only."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from sandbox import charts, process
from sandbox.bundles import run_modelctl
from sandbox.components.registry import registry
from sandbox.environments import chart_version
from sandbox.gitops import BRANCH
from tests.paths import ROOT

from . import usersclone
from .loop import Loop, eventually, measured

UPDATE = ROOT / "docs/how-to/update-your-fork.md"
TEMPLATE = "charts/ml-model/templates/service.yaml"
CHART = "charts/ml-model/Chart.yaml"
MARK = "e2e/edited-template"
ENVIRONMENTS = ("dev", "staging", "production")


def service_annotations(loop: Loop, environment: str, model: str = "iris") -> dict[str, str]:
    """The annotations of a model's Service."""
    found = loop.get("service", model, f"--namespace=ml-{environment}")
    return dict(found["metadata"].get("annotations", {}))


def marked(loop: Loop, environment: str) -> tuple[bool, Any]:
    found = service_annotations(loop, environment)
    return MARK in found, found


def rendered(loop: Loop) -> dict[str, Any]:
    """What git decides of each Deployment after the first environment; replicas are not its own."""
    return {
        f"{environment}-{item['metadata']['name']}": {
            "labels": item["metadata"]["labels"],
            "spec": {k: v for k, v in item["spec"].items() if k != "replicas"},
        }
        for environment in ENVIRONMENTS[1:]
        for item in loop.get("deployments", f"--namespace=ml-{environment}")["items"]
    }


def edit_template(root: Path, version: str) -> None:
    """One more annotation on every Service, in a chart of that version."""
    path = root / TEMPLATE
    text, count = re.subn(
        r"^metadata:\n",
        f'metadata:\n  annotations:\n    {MARK}: "1"\n',
        path.read_text(),
        flags=re.M,
    )
    assert count
    path.write_text(text)
    path = root / CHART
    path.write_text(re.sub(r"^version: .*$", f"version: {version}", path.read_text(), flags=re.M))


def upstream(loop: Loop, folder: Path, version: str) -> str:
    """Where forks take the newer from: what Argo CD follows, with an edited template."""
    tree, bare = folder / "newer", folder / "upstream.git"
    git = loop.gitops.git
    git("clone", "--quiet", "--branch", BRANCH, loop.gitops.url, str(tree))
    edit_template(tree, version)
    git("-C", str(tree), "commit", "--quiet", "--all", "--message", "A newer chart")
    git("-C", str(tree), "branch", "--quiet", "--force", "main")
    git("clone", "--quiet", "--bare", str(tree), str(bare))
    return str(bare)


def test_an_edited_template_reaches_each_environment_by_promotion_only(
    loop: Loop, tmp_path: Path
) -> None:
    """It comes from upstream, on the way that the documentation shows."""
    before = rendered(loop)
    head = loop.gitops.head()
    # Released charts stay in the registry, so each run needs a version of its own, a later one.
    major, minor, patch = re.split(r"[.+-]", chart_version(loop.worktree))[:3]
    version = f"{major}.{minor}.{int(patch) + 1}-e2e.{head[:8]}.{int(time.time())}"
    versions = [f"environments/{name}/iris/version.yaml" for name in ENVIRONMENTS]
    newer = upstream(loop, tmp_path, version)
    with usersclone.cloned(loop, tmp_path, UPSTREAM=newer) as checkout:
        checkout.walk(UPDATE, cluster=True)
        loop.gitops.git("pull", "--quiet", "--ff-only", "origin", BRANCH)
        seconds = eventually("dev has it", lambda: marked(loop, "dev"), 90)
        measured("an edited template is in dev", seconds, 30)
        loop.wait_synced()
        assert MARK in service_annotations(loop, "dev", "penguins")
        for environment in ENVIRONMENTS[1:]:
            assert not marked(loop, environment)[0], environment
        assert rendered(loop) == before

        charts.ensure_chart(loop.layout, loop.gitops)
        run_modelctl(loop.layout, loop.worktree, "bump", "iris", "--env", "dev")
        loop.push("Pin the chart", versions[0])
        promote = ("promote", "iris", "--to", "staging", "--no-live")
        run_modelctl(loop.layout, loop.worktree, *promote)
        loop.push("Promote iris to staging", versions[1])
        seconds = eventually("staging has it", lambda: marked(loop, "staging"), 90)
        measured("a promoted chart is in staging", seconds, 30)
        loop.wait_synced()
        values, source = loop.get("application", "staging-iris", "-nargocd")["spec"]["sources"]
        assert (source["chart"], source["targetRevision"]) == ("ml-model", version)
        assert values["ref"] == "values"
        assert MARK not in service_annotations(loop, "staging", "penguins")
        assert not marked(loop, "production")[0]
        changed = {name for name, value in rendered(loop).items() if value != before[name]}
        assert changed <= {"staging-iris"}
    loop.wait_synced()
    assert not marked(loop, "staging")[0]


def test_new_values_and_the_old_chart_are_never_applied_together(loop: Loop) -> None:
    """While Argo CD follows a promotion it may hold one and not yet the other."""
    path = "environments/staging/iris/version.yaml"
    before = loop.pods()["staging-iris"]
    file = loop.worktree / path
    missing = "99.0.0"

    def pin() -> None:
        text = re.sub(r"(chart:\n  version: ).*", rf"\g<1>{missing}", file.read_text())
        file.write_text(text)

    with loop.change(pin, "A chart that nobody released", path):
        eventually("it cannot be rendered", lambda: broken(loop, missing), 90)
        assert loop.pods()["staging-iris"] == before
    assert loop.pods()["staging-iris"] == before


def broken(loop: Loop, words: str) -> tuple[bool, str]:
    """Whether Argo CD says that staging's iris cannot be rendered, with those words."""
    conditions = loop.application("staging-iris").get("conditions", [])
    text = " ".join(entry["message"] for entry in conditions if entry["type"].endswith("Error"))
    return words in text, text


def test_a_registry_that_is_down_takes_no_running_model_away(loop: Loop, sample: Path) -> None:
    release = loop.release("staging-iris")
    before = loop.pods()
    component = registry(loop.layout)
    with loop.probing(release, sample) as report:
        process.stop(loop.layout, component.name)
        try:
            hard_refresh(loop)
            eventually("Argo CD misses the chart", lambda: broken(loop, "refused"), 120)
            assert loop.pods() == before
        finally:
            process.ensure(loop.layout, component)
        hard_refresh(loop)
        measured("healed with the registry", loop.wait_synced(), 60)
    assert report["failed"] == 0, report
    assert loop.pods() == before


def hard_refresh(loop: Loop) -> None:
    """Forget what was rendered and pulled before."""
    loop.kubectl(
        *("annotate", "application", "staging-iris", "--namespace=argocd", "--overwrite"),
        "argocd.argoproj.io/refresh=hard",
    )
