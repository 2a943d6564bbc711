"""What the pull request of a promotion says: true, complete, and short enough for a forge."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model.bundle import canonical, digest_of
from modelctl.errors import ModelctlError
from modelctl.promotion import promote, proposal
from modelctl.rendering import markdown
from modelctl.rendering.diff import Change
from modelctl.repository.checkout import Repository
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all

FORGE_LIMIT = 65_536
BASELINE = """\
metrics:
  accuracy: {value: 0.96, better: higher, tolerance: 0.02}
  log_loss: {value: 0.1, better: lower, tolerance: 0.05}
"""
NEWER = VERSION.replace("1.0.0", "1.1.0")
# Stands in for Helm: an object that holds the version file, which is the last of the values.
HELM = """\
#!/bin/sh
for word in "$@"; do case $word in */version.yaml) file=$word ;; esac; done
printf 'kind: Deployment\\nmetadata:\\n  name: iris\\nspec:\\n'
sed 's/^/  /' "$file"
"""


@pytest.fixture
def promoted(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """iris 1.0.0 in dev and staging, 1.1.0 in dev since; held to a baseline."""
    helm = tmp_path / "helm"
    helm.write_text(HELM)
    helm.chmod(0o755)
    monkeypatch.setenv("HELM", str(helm))
    (released / "models/iris").mkdir(parents=True)
    (released / "models/iris/baseline.yaml").write_text(BASELINE)
    (released / "environments/staging/iris/version.yaml").write_text(VERSION)
    commit_all(released, "iris in staging")
    release(released, NEWER)
    return released


def release(root: Path, text: str, environment: str = "dev") -> None:
    (root / "environments" / environment / "iris/version.yaml").write_text(text)
    commit_all(root, f"iris in {environment}")


def body(*, to: str = "staging", live: bool = False, with_settings: bool = False) -> str:
    repository = Repository.find()
    options = promote.Options(live=live, with_settings=with_settings)
    planned = promote.plan_promotion(repository, "iris", to, options)
    return proposal.body(repository, planned, datetime.now(UTC), live=live)


def bundle(root: Path, metrics: dict[str, float], text: str = NEWER) -> str:
    """The manifest in build/bundles/iris; the version file `text` with its digest."""
    raw = canonical({"name": "iris", "metrics": metrics})
    folder = root / "build/bundles/iris"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_bytes(raw)
    return text.replace(DIGEST_B, digest_of(raw))


def test_what_moves_is_told_from_and_to(promoted: Path) -> None:
    release(promoted, NEWER.replace("0.1.0", "0.2.0").replace(DIGEST_A, DIGEST_B))
    text = body()
    assert "| model | 1.0.0 | 1.1.0 |" in text
    assert f"| image digest | `{DIGEST_A}` | `{DIGEST_B}` |" in text
    assert "| chart | 0.1.0 | 0.2.0 |" in text
    assert f"| bundle | `{DIGEST_B}` | unchanged |" in text
    assert "Files: `environments/staging/iris/version.yaml`. Capacity is not changed." in text


def test_settings_that_go_along_are_named(promoted: Path) -> None:
    (promoted / "environments/dev/iris/settings.yaml").write_text("config:\n  logLevel: debug\n")
    commit_all(promoted, "debug")
    assert "`environments/staging/iris/settings.yaml`" in body(with_settings=True)
    assert "`environments/staging/iris/settings.yaml`" not in body()


def test_a_first_release_has_no_previous_version_and_no_rollback(promoted: Path) -> None:
    release(promoted, NEWER, "staging")
    text = body(to="production")
    assert "| model | none | 1.1.0 |" in text
    assert "no previous version to roll back to: `modelctl retire iris --env production`" in text
    assert "modelctl rollback" not in text


def test_the_rendered_diff_is_of_the_edits_and_of_nothing_else(promoted: Path) -> None:
    text = body()
    assert "changed <code>Deployment/iris</code>" in text
    assert "-    version: 1.0.0\n+    version: 1.1.0\n" in text
    assert subprocess.check_output(["git", "status", "--porcelain"], text=True) == ""


def test_what_helm_refuses_is_no_empty_diff_and_no_secret(promoted: Path) -> None:
    (promoted.parent / "helm").write_text("#!/bin/sh\necho hunter2 >&2\nexit 1\n")
    text = body()
    assert "Not rendered (Helm failed): run `modelctl diff --base origin/main`" in text
    assert "hunter2" not in text
    assert str(promoted.parent) not in text


def test_without_helm_it_says_so(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> str:
        raise ModelctlError("Helm is not installed")

    monkeypatch.setattr("modelctl.rendering.render.find_helm", missing)
    assert "Not rendered (Helm is not installed)" in body()


def test_metrics_of_a_local_bundle_are_judged(promoted: Path) -> None:
    release(promoted, bundle(promoted, {"accuracy": 0.97, "log_loss": 0.3, "rows": 150}))
    text = body()
    assert "| accuracy | 0.96 (≥ 0.94) | ? | 0.97 | passes |" in text
    assert (
        "| log_loss | 0.1 (≤ 0.15) | ? | 0.3 | **log_loss: expected at most 0.15, found 0.3** |"
        in text
    )
    assert "| rows | none | ? | 150 | no baseline |" in text
    assert "- 1.1.0 (to be promoted): bundle in build/bundles/iris" in text


def test_a_bundle_of_another_digest_is_not_used(promoted: Path) -> None:
    bundle(promoted, {"accuracy": 0.99})
    text = body()
    assert "0.99" not in text
    assert "| accuracy | 0.96 (≥ 0.94) | ? | ? | unknown |" in text
    assert (
        f"- 1.1.0 (to be promoted): unknown: the manifest of bundle {'b' * 12} is not available "
        "locally"
    ) in text


def test_a_tag_with_a_commit_names_the_baseline_of_its_build(promoted: Path) -> None:
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True)[:12]
    stricter = BASELINE.replace("0.96", "0.98")
    (promoted / "models/iris/baseline.yaml").write_text(stricter)
    release(promoted, NEWER.replace("tag: 1.1.0", f"tag: 1.1.0-{head}"))
    text = body()
    assert "| accuracy | 0.98 (≥ 0.96) | ? | ≥ 0.94 | unknown |" in text
    assert f"bounds from the metric baseline of its build commit {head}" in text


def test_a_commit_that_nobody_here_knows_proves_nothing(promoted: Path) -> None:
    release(promoted, NEWER.replace("tag: 1.1.0", "tag: 1.1.0-0123456789ab"))
    text = body()
    assert "| ≥ 0.94 |" not in text
    assert "nor is the metric baseline of its build commit 0123456789ab" in text


def test_without_a_baseline_it_says_so(promoted: Path) -> None:
    (promoted / "models/iris/baseline.yaml").unlink()
    assert "- metric baseline: no models/iris/baseline.yaml here" in body()


def test_what_serves_is_asked_for_its_metrics(
    promoted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = f"registry.example/iris:1.1.0@{DIGEST_A}"
    folder = tmp_path / "cluster"
    kubectl.install(folder, monkeypatch, [kubectl.application(image=image)], digest=DIGEST_B)
    info = f'{{"digest": "{DIGEST_B}", "metrics": {{"accuracy": 0.95}}}}'
    (folder / "info.json").write_text(info)
    text = body(live=True)
    assert "- 1.1.0 (to be promoted): service in dev" in text
    assert "| accuracy | 0.96 (≥ 0.94) | 0.95 | 0.95 | passes |" in text
    assert "- [x] 1.1.0 is healthy in dev: Healthy" in text


def test_the_reviewer_is_left_what_was_not_checked(promoted: Path) -> None:
    text = body()
    assert "- [ ] 1.1.0 is healthy in dev: health not checked" in text
    assert (
        "- [x] 1.1.0 has soaked in dev for 0 min (since its commit); staging requires 0 min" in text
    )
    assert (
        "rollback to 1.0.0 is possible: `modelctl rollback iris --env staging --pull-request "
        "--reason '...'`"
    ) in text
    assert "`modelctl wait iris --env staging`" in text


def test_the_owners_who_have_to_approve_are_named(promoted: Path) -> None:
    file = promoted / "environments/environments.yaml"
    name = "  - name: staging\n"
    file.write_text(file.read_text().replace(name, f'{name}    approvals: ["@acme/models"]\n'))
    commit_all(promoted, "approvals")
    assert "- [ ] approved by @acme/models\n" in body()


def test_a_change_of_any_size_fits_and_the_checklist_is_whole(
    promoted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [Change("changed", f"ConfigMap/part-{n}", "+a line\n" * 900) for n in range(30)]
    monkeypatch.setattr("modelctl.rendering.compare.proposed", lambda *_: long)
    text = body()
    assert len(text) < FORGE_LIMIT
    shown = text.count("<details>")
    assert 5 < shown < 30
    assert f"{30 - shown} more changed objects, omitted for size: `ConfigMap/part-" in text
    assert text.rstrip().endswith("`modelctl wait iris --env staging`")


def test_a_fence_in_a_diff_does_not_end_it() -> None:
    """Else a value could write a checklist of its own below."""
    text = markdown.objects([Change("added", "ConfigMap/a", "+```\n+- [x] approved\n")], 1000)
    assert "\n````diff\n+```\n+- [x] approved\n````\n" in text


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown.table(("a",), [("b | c\nd",)]).splitlines()[-1] == "| b \\| c d |"
