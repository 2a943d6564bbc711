"""What a branch may try against a freeze, and what a freeze leaves alone, with real git."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import commit_all, run
from tests.modelctl.promotion.attacks import (
    FROZEN,
    KUSTOMIZE,
    SETTINGS,
    TOGETHER,
    Attack,
    edit,
    put,
    refused,
    remove,
    together,
    unfreeze,
)
from tests.modelctl.promotion.judged import (
    EVIL,
    NEW,
    OLD,
    PRODUCTION,
    RULES,
    STAGING,
    commit,
    freeze,
    git,
    judge,
    write,
)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        pytest.param(put(PRODUCTION, NEW), FROZEN, id="a-promotion"),
        pytest.param(remove(PRODUCTION), FROZEN, id="a-retirement"),
        pytest.param(put(SETTINGS, "image:\n  pullPolicy: Always\n"), FROZEN, id="settings"),
        pytest.param(
            put(PRODUCTION.replace("version", "capacity"), "replicaCount: 0\n"),
            FROZEN,
            id="capacity",
        ),
        pytest.param(
            put("environments/production/common.yaml", "config:\n  logLevel: debug\n"),
            FROZEN,
            id="common",
        ),
        pytest.param(
            put(f"{KUSTOMIZE}/overlays/production/kustomization.yaml", "resources: []\n"),
            FROZEN,
            id="its-baseline",
        ),
        pytest.param(
            put(f"{KUSTOMIZE}/base/quota.yaml", "kind: ResourceQuota\n"),
            FROZEN,
            id="every-baseline",
        ),
        *(
            pytest.param(put(name, "a: b\n"), FROZEN, id=name)
            for name in (
                "argocd/templates/models.yaml",
                "argocd/.helmignore",
                "argocd/values.schema.json",
                "argocd/charts/more/templates/application.yaml",
                "argocd/crds/application.yaml",
                f"{KUSTOMIZE}/overlays/shared/kustomization.yaml",
                f"{KUSTOMIZE}/.gitattributes",
                "kustomize/.gitattributes",
                ".gitattributes",
                ".gitmodules",
            )
        ),
        pytest.param(
            edit(RULES, "environments:\n", "chartRegistry: evil.example/charts\nenvironments:\n"),
            FROZEN,
            id="the-registry-of-the-pinned-chart",
        ),
        pytest.param(edit(RULES, "ml-production", "ml-elsewhere"), FROZEN, id="its-namespace"),
        pytest.param(
            edit(
                RULES,
                "in-cluster\n    promotion: pull-request\n    freezes",
                "other\n    promotion: pull-request\n    freezes",
            ),
            FROZEN,
            id="its-cluster",
        ),
        pytest.param(
            together(unfreeze, put(SETTINGS, "{}\n")),
            FROZEN,
            id="settings-and-the-end-of-the-freeze",
        ),
        pytest.param(
            together(unfreeze, put(PRODUCTION, NEW)),
            "only a rollback to a version that ran here may end a freeze",
            id="a-promotion-and-the-end-of-the-freeze",
        ),
        pytest.param(
            together(unfreeze, remove(PRODUCTION)),
            TOGETHER,
            id="a-retirement-and-the-end-of-the-freeze",
        ),
    ],
)
@pytest.mark.parametrize("scope", ["production", "production/iris"])
def test_a_freeze_covers(target: Path, scope: str, attack: Attack, message: str) -> None:
    freeze(target, scope)
    attack(target)
    refused(target, message)


def test_a_frozen_first_environment_keeps_its_chart(target: Path) -> None:
    freeze(target, "dev")
    write(
        target,
        {
            "charts/ml-model/templates/pod.yaml": "kind: Pod\n",
            "charts/ml-model/Chart.yaml": "name: ml-model\nversion: 0.2.0\n",
        },
    )
    refused(target, FROZEN)


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(
            put("environments/staging/iris/capacity.yaml", "replicaCount: 3\n"), id="other"
        ),
        pytest.param(put(f"{KUSTOMIZE}/overlays/dev/a.yaml", "a: 1\n"), id="another-baseline"),
        pytest.param(put("argocd/install/argocd-cm.yaml", "a: 1\n"), id="installed-by-hand"),
        pytest.param(unfreeze, id="its-end"),
        pytest.param(
            edit(RULES, "ml-production\n", "ml-production\n    soakMinutes: 9\n"), id="soak"
        ),
        pytest.param(put("docs/page.md", "text\n"), id="what-does-not-run"),
        pytest.param(
            together(
                *(
                    put(f"environments/{name}/new/{kind}.yaml", "{}\n")
                    for name in ("dev", "staging", "production")
                    for kind in ("settings", "capacity")
                )
            ),
            id="a-model-that-is-not-released-yet",
        ),
    ],
)
def test_a_freeze_leaves_alone(target: Path, attack: Attack) -> None:
    freeze(target)
    attack(target)
    commit_all(target, "change")
    assert "no problems" in judge()


def test_a_rollback_that_breaks_a_freeze_says_why(target: Path) -> None:
    git("switch", "--quiet", "main")
    commit(target, "promote", **{PRODUCTION: NEW})
    freeze(target)
    run(
        *("rollback", "iris", "--no-registry", "--env", "production", "--reason", "wrong labels"),
        "--break-freeze",
    )
    refused(target, "no commit says why")
    message = "Roll back iris to 1.0.0 in production: wrong labels"
    git("commit", "--quiet", "--amend", "--message", message)
    assert "no problems" in judge()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(put(SETTINGS, "config:\n  logLevel: debug\n"), TOGETHER, id="a-setting"),
        pytest.param(put(PRODUCTION, EVIL), "only a rollback to a version that ran", id="not-back"),
        pytest.param(edit(RULES, "ml-staging\n", "ml-staging2\n"), TOGETHER, id="another-rule"),
        pytest.param(put(STAGING, OLD), TOGETHER, id="another-version"),
        pytest.param(remove("modelctl/promotion/rules.py"), TOGETHER, id="another-file"),
    ],
)
def test_only_the_rollback_itself_breaks_a_freeze(target: Path, more: Attack, message: str) -> None:
    git("switch", "--quiet", "main")
    commit(target, "promote", **{PRODUCTION: NEW})
    freeze(target)
    run("unfreeze", "production")
    write(target, {PRODUCTION: OLD})
    more(target)
    commit_all(target, "Roll back iris to 1.0.0 in production: wrong labels")
    with pytest.raises(RefusedError, match=message):
        judge()


def test_a_freeze_of_all_stays_for_the_other_models(target: Path) -> None:
    git("switch", "--quiet", "main")
    for name in ("dev", "staging", "production"):
        home = target / f"environments/{name}/wine"
        write(home, {"settings.yaml": "{}\n", "capacity.yaml": "{}\n"})
    commit(target, "promote", **{PRODUCTION: NEW})
    freeze(target)
    run("unfreeze", "production")
    write(target, {PRODUCTION: OLD})
    commit_all(target, "Roll back iris to 1.0.0 in production: wrong labels")
    with pytest.raises(RefusedError, match=TOGETHER):
        judge()
