"""Ways around the promotion rules that a branch may try: each is refused, with real git."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import ENVIRONMENTS, VALUES, VERSION, commit_all, run
from tests.modelctl.promotion.judged import (
    DEV,
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
    merge,
    soaking,
    write,
)

Attack = Callable[[Path], object]
SETTINGS = PRODUCTION.replace("version", "settings")
FROZEN = r"frozen( for 'iris')? until"
NEITHER = "neither the version of the environment previous to"
TOGETHER = r"rules \(.*\) and versions \(.*\) at once"
KUSTOMIZE = "kustomize/environments"


def edit(name: str, old: str, new: str) -> Attack:
    def attack(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return attack


def put(name: str, text: str) -> Attack:
    return lambda root: write(root, {name: text})


def remove(name: str) -> Attack:
    def attack(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return attack


def move(old: str, new: str) -> Attack:
    def attack(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return attack


def link(name: str, to: str) -> Attack:
    def attack(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(to)

    return attack


def folder_for_file(name: str) -> Attack:
    return together(remove(name), put(f"{name}/values.yaml", EVIL))


def submodule(name: str) -> Attack:
    def attack(root: Path) -> None:
        remove(name)(root)
        git("init", "--quiet", name)
        commit(root / name, "inside", **{"version.yaml": EVIL})

    return attack


def executable(name: str) -> Attack:
    return lambda root: (root / name).chmod(0o755)


def unfreeze(_: Path) -> None:
    for scope in ("production", "production/iris"):
        run("unfreeze", scope)


def together(*attacks: Attack) -> Attack:
    return lambda root: [attack(root) for attack in attacks]


def refused(root: Path, message: str) -> None:
    """Refused as a commit and as files that are not committed yet."""
    with pytest.raises(ModelctlError, match=message):
        run("check", "--base", "main")
    commit_all(root, "change")
    with pytest.raises(ModelctlError, match=message):
        judge()


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        pytest.param(put(PRODUCTION, EVIL), NEITHER, id="a-version-of-nowhere"),
        pytest.param(
            together(put(DEV, EVIL), put(PRODUCTION, EVIL)), NEITHER, id="both-ends-at-once"
        ),
        pytest.param(
            together(put(STAGING, EVIL), put(PRODUCTION, EVIL)), NEITHER, id="source-in-the-change"
        ),
        pytest.param(
            together(edit(RULES, "promotion: pull-request", "promotion: auto"), put(STAGING, EVIL)),
            r"promotion: auto` is for the first|at once",
            id="every-environment-takes-builds",
        ),
        pytest.param(
            together(
                put(RULES, ENVIRONMENTS.replace("name: staging", "name: stagin2")),
                move("environments/staging", "environments/stagin2"),
            ),
            TOGETHER,
            id="environment-renamed-with-its-versions",
        ),
        pytest.param(
            together(edit("modelctl/promotion/rules.py", "True", "False"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="the-judge-and-a-version",
        ),
        pytest.param(
            together(put("GNUmakefile", "all:\n"), put(PRODUCTION, NEW)), TOGETHER, id="a-makefile"
        ),
        pytest.param(
            together(put(".github/workflows/b.yml", "on: push\n"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="a-workflow-and-a-version",
        ),
        pytest.param(
            together(put(".gitattributes", "* ident\n"), put(PRODUCTION, NEW)),
            TOGETHER,
            id="attributes-and-a-version",
        ),
        pytest.param(
            together(
                put(
                    "charts/ml-model/values.yaml", VALUES.replace("@file version", "@file settings")
                ),
                put("charts/ml-model/Chart.yaml", "name: ml-model\nversion: 0.2.0\n"),
                put(SETTINGS, "image:\n  repository: evil.example/iris\n"),
            ),
            "belongs in version.yaml, not in settings.yaml",
            id="a-marker-and-what-it-allows",
        ),
        pytest.param(remove(DEV), "still released in staging, production", id="retired-too-early"),
        pytest.param(
            move("environments/dev/iris", "environments/dev/iris2"),
            "still released in staging, production",
            id="retired-by-renaming-the-model",
        ),
        pytest.param(
            move(DEV, "environments/dev/other/version.yaml"),
            "still released in staging, production|missing",
            id="retired-by-moving-the-file",
        ),
        pytest.param(
            together(
                move("environments/production/iris", "environments/production/iris2"),
                put("environments/staging/iris2/settings.yaml", "{}\n"),
                put("environments/staging/iris2/capacity.yaml", "{}\n"),
                put("environments/dev/iris2/settings.yaml", "{}\n"),
                put("environments/dev/iris2/capacity.yaml", "{}\n"),
            ),
            f"iris2/version.yaml: 1.0.0 is {NEITHER}",
            id="renamed-where-it-was-never-promoted",
        ),
        pytest.param(
            move("environments/production/iris", "environments/production/irís"),
            "irís.*unknown file",
            id="a-name-that-is-not-ascii",
        ),
        pytest.param(
            move("environments/production/iris", "environments/production/a\nb\x1e"),
            r"unknown file",
            id="a-name-with-line-breaks",
        ),
        pytest.param(
            move(PRODUCTION, "environments/production/iris/Version.yaml"),
            "unknown file",
            id="another-case",
        ),
        pytest.param(
            put("environments/production/iris/deeper/version.yaml", EVIL),
            "unknown file",
            id="a-version-file-that-a-pattern-of-argo-cd-finds-too",
        ),
        pytest.param(folder_for_file(PRODUCTION), "unknown file", id="a-folder-for-a-file"),
        pytest.param(
            submodule("environments/production/iris"),
            "unknown file|missing|a submodule",
            id="a-submodule-for-a-folder",
        ),
        pytest.param(
            link(PRODUCTION, "../../dev/iris/version.yaml"), "a symbolic link", id="a-link"
        ),
        pytest.param(
            together(
                put("secret.yaml", EVIL),
                link("charts/ml-model/templates.yaml", "../../secret.yaml"),
            ),
            "a symbolic link",
            id="a-link-in-the-chart",
        ),
        pytest.param(
            together(put("owners", "* @me\n"), link(".github/CODEOWNERS", "../owners")),
            "a symbolic link",
            id="a-link-for-the-owners",
        ),
        pytest.param(executable(PRODUCTION), "an executable file", id="a-mode"),
        pytest.param(remove("environments/production/common.yaml"), "missing", id="no-common"),
        pytest.param(remove(SETTINGS), "missing", id="no-settings"),
        pytest.param(remove("environments/production"), "missing", id="no-environment"),
        pytest.param(
            put("charts/ml-model/.helmignore", "templates/networkpolicy.yaml\n"),
            "raise the version",
            id="a-chart-without-a-template",
        ),
        pytest.param(
            remove("charts/ml-model/Chart.yaml"),
            "Chart.yaml: missing",
            id="a-chart-without-version",
        ),
        *(
            pytest.param(
                put("charts/ml-model/Chart.yaml", f"name: ml-model\n{version}\n"),
                "expected `version`",
                id=f"a-chart-with-{version or 'no-version'}",
            )
            for version in ("", "version: null", "version: [1]", "version: 2")
        ),
        *(
            pytest.param(together(put(name, "x\n"), put(PRODUCTION, NEW)), TOGETHER, id=name)
            for name in (
                "sitecustomize.pyc",
                "usercustomize.so",
                "evil-1.0.dist-info/entry_points.txt",
                "evil.egg-info/entry_points.txt",
                ".venv/bin/modelctl",
                ".tools/bin/helm4",
                "kustomize/.gitattributes",
            )
        ),
        pytest.param(
            put("environments/environments.yml", "environments: []\n"),
            "unknown file",
            id="a-second-list-of-environments",
        ),
    ],
)
def test_a_bypass_is_refused(target: Path, attack: Attack, message: str) -> None:
    attack(target)
    refused(target, message)


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


def test_rules_come_from_the_newest_commit_of_the_target(target: Path) -> None:
    """A branch that started before the freeze is frozen all the same."""
    commit(target, "promote", **{PRODUCTION: NEW})
    git("switch", "--quiet", "main")
    run("freeze", "production", "--until", "2999-12-24", "--reason", "audit")
    commit_all(target, "freeze")
    with pytest.raises(RefusedError, match=FROZEN):
        judge()


def test_soak_time_is_the_targets(target: Path) -> None:
    soaking(target)
    commit(target, "promote", **{PRODUCTION: NEW})
    with pytest.raises(RefusedError, match="requires a soak time of 60 min in 'staging'"):
        judge()


def test_a_retirement_sees_what_the_target_released_meanwhile(target: Path) -> None:
    git("switch", "--quiet", "main")
    for name in (STAGING, PRODUCTION):
        (target / name).unlink()
    commit_all(target, "retire")
    git("switch", "--quiet", "--force-create", "change")
    (target / DEV).unlink()
    commit_all(target, "retire")
    assert "no problems" in judge()
    git("switch", "--quiet", "main")
    commit(target, "promote", **{STAGING: NEW})
    with pytest.raises(RefusedError, match="still released in staging"):
        judge()


def test_what_both_sides_changed_is_checked_after_a_merge_only(target: Path) -> None:
    commit(target, "ours", **{SETTINGS: "config:\n  logLevel: info\n# ours\n"})
    git("switch", "--quiet", "main")
    commit(target, "theirs", **{SETTINGS: "# theirs\nconfig:\n  logLevel: info\n"})
    with pytest.raises(RefusedError, match="the target branch has changed it too"):
        judge()


def test_a_version_that_only_a_side_branch_had_never_ran(target: Path) -> None:
    commit(target, "for a while", **{PRODUCTION: EVIL})
    commit(target, "back", **{PRODUCTION: OLD, "docs/page.md": "text\n"})
    with pytest.raises(RefusedError, match="has a version that the promotion rules refuse"):
        judge()
    merge("change")
    git("switch", "--quiet", "--force-create", "change")
    commit(target, "roll back", **{PRODUCTION: EVIL})
    with pytest.raises(RefusedError, match=NEITHER):
        judge()


@pytest.mark.parametrize(
    ("rule", "message"),
    [(soaking, "requires a soak time"), (freeze, FROZEN)],
    ids=["soak", "freeze"],
)
def test_a_version_may_not_enter_for_a_while_either(
    target: Path, rule: Attack, message: str
) -> None:
    """A fast-forward keeps the commit, and the version would count as one that ran."""
    rule(target)
    commit(target, "for a while", **{PRODUCTION: NEW})
    commit(target, "back", **{PRODUCTION: OLD, "docs/page.md": "text\n"})
    with pytest.raises(RefusedError, match=f"commit .* has a version .* refuse.*{message}"):
        judge()


@pytest.mark.parametrize("mover", ["main", "change"])
def test_a_change_that_git_carries_along_with_a_moved_file_is_refused(
    target: Path, mover: str
) -> None:
    """A merge applies what one side changed to the place where the other side moved the file."""
    text = "".join(f"# line {number}\n" for number in range(9)) + "config:\n  logLevel: info\n"
    place = f"{KUSTOMIZE}/base/draft.yaml"
    git("switch", "--quiet", "main")
    commit(target, "draft", **{"docs/draft.yaml": text})
    git("switch", "--quiet", "--force-create", "change")
    for side in ("main", "change"):
        git("switch", "--quiet", side)
        if side == mover:
            move("docs/draft.yaml", place)(target)
        else:
            write(target, {"docs/draft.yaml": text.replace("info", "debug")})
        commit_all(target, "change")
    tree = git("merge-tree", "--write-tree", "main", "change").splitlines()[0]
    assert "debug" in git("show", f"{tree}:{place}")
    with pytest.raises(RefusedError, match=r"docs/draft.yaml: .* merge the target branch"):
        judge()


@pytest.mark.parametrize(
    "date", ["@99999999999999 +0000", "@1700000000 +9959", "@1700000000 -9959"]
)
def test_a_strange_date_of_a_commit_does_not_stop_the_judge(
    target: Path, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    soaking(target)
    git("switch", "--quiet", "main")
    newer = VERSION.replace("1.0.0", "1.2.0")
    monkeypatch.setenv("GIT_COMMITTER_DATE", date)
    commit(target, "release", **{DEV: newer, STAGING: newer})
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    git("switch", "--quiet", "--force-create", "change")
    commit(target, "promote", **{PRODUCTION: newer})
    with pytest.raises(RefusedError, match="has been there for 0 min"):
        judge()


@pytest.mark.parametrize("schema", ["{", "[]", '{"properties": []}', "\ufffe"])
def test_a_broken_schema_is_refused_with_its_file(target: Path, schema: str) -> None:
    write(
        target,
        {
            "charts/ml-model/values.schema.json": schema,
            "charts/ml-model/Chart.yaml": "name: ml-model\nversion: 0.2.0\n",
        },
    )
    refused(target, "values.schema.json")


@pytest.mark.parametrize(
    "values",
    [
        VALUES.replace("@file capacity", "@file sometimes"),
        "replicaCount: 1\n",
        "a: [\n",
        "# @file settings\na: &x 1\n",
        "",
    ],
    ids=["marker", "no-marker", "no-yaml", "anchor", "empty"],
)
def test_markers_that_nobody_could_read_once_merged_are_refused(target: Path, values: str) -> None:
    raised = {"charts/ml-model/Chart.yaml": "name: ml-model\nversion: 0.2.0\n"}
    commit(target, "change", **{"charts/ml-model/values.yaml": values, **raised})
    with pytest.raises(ModelctlError, match=r"values\.yaml:?"):
        judge()
    with pytest.raises(ModelctlError, match=r"values\.yaml:?"):
        run("check")


def test_values_that_a_change_removes_are_missed(target: Path) -> None:
    (target / "charts/ml-model/values.yaml").unlink()
    commit(target, "change", **{"charts/ml-model/Chart.yaml": "name: a\nversion: 0.2.0\n"})
    with pytest.raises(ModelctlError, match=r"values\.yaml: no `# @file` marker, missing"):
        judge()


def test_a_branch_that_holds_a_merge_of_the_target_passes(target: Path) -> None:
    commit(target, "ours", **{"docs/page.md": "text\n"})
    git("switch", "--quiet", "main")
    commit(target, "theirs", **{PRODUCTION: NEW})
    commit(target, "theirs", **{PRODUCTION: OLD})
    git("switch", "--quiet", "change")
    git("merge", "--quiet", "--no-ff", "--message", "up to date", "main")
    assert "0 changed files: no problems" in judge()


def test_a_rollback_to_what_ran_passes(target: Path) -> None:
    commit(target, "promote", **{PRODUCTION: NEW})
    merge("change")
    git("switch", "--quiet", "change")
    commit(target, "roll back", **{PRODUCTION: f"# broken\n{OLD}"})
    assert "1 changed file: no problems" in judge()


def test_attributes_hide_nothing(target: Path) -> None:
    """`git archive` leaves out what these attributes name, and `git diff` calls it binary."""
    attributes = "environments/** export-ignore -diff text eol=crlf ident\n"
    commit(target, "attributes", **{".gitattributes": attributes})
    merge("change")
    git("switch", "--quiet", "change")
    commit(target, "evil", **{PRODUCTION: EVIL})
    with pytest.raises(RefusedError, match=NEITHER):
        judge()


def test_no_program_of_the_change_or_of_the_clone_runs(target: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trace}\ncat\n")
    script.chmod(0o755)
    git("config", "core.fsmonitor", str(script))
    git("config", "filter.evil.smudge", str(script))
    git("config", "diff.evil.textconv", str(script))
    git("config", "diff.evil.command", str(script))
    git("config", "diff.external", str(script))
    commit(target, "evil", **{".gitattributes": "* filter=evil diff=evil\n"})
    trace.unlink(missing_ok=True)
    assert "no problems" in judge()
    assert not trace.exists()


def crafted(path: str) -> None:
    """Commit a tree that git itself would never make, as somebody with another program could."""
    oid = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        input=EVIL.encode(), check=True, capture_output=True,
    ).stdout.decode().strip()  # fmt: skip
    (*folders, name) = path.split("/")
    kind, entry = "100644", name
    for depth in range(len(folders), -1, -1):
        above = "/".join(part for part in folders[:depth] if part != "..")
        is_real = not {"..", ".git"} & set(folders[:depth])
        listing = git("ls-tree", f"change:{above}") if is_real else ""
        tree = b""
        rows = [line.split(maxsplit=3) for line in listing.splitlines()]
        kept = {row[3]: (row[0].lstrip("0"), row[2]) for row in rows if row[3] != entry}
        kept[entry] = (kind, oid)
        for key, (kept_mode, kept_oid) in sorted(kept.items()):
            tree += f"{kept_mode} {key}\0".encode() + bytes.fromhex(kept_oid)
        oid = subprocess.run(
            ["git", "hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
            input=tree, check=True, capture_output=True,
        ).stdout.decode().strip()  # fmt: skip
        kind, entry = "40000", folders[depth - 1] if depth else ""
    commit_oid = git("commit-tree", oid, "-p", "change", "-m", "crafted")
    git("update-ref", "refs/heads/change", commit_oid)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("charts/ml-model/../../../escaped", id="above-the-repository"),
        pytest.param("charts/ml-model/.git/config", id="a-repository-in-the-chart"),
    ],
)
def test_a_tree_that_git_would_not_make_is_refused(target: Path, path: str) -> None:
    crafted(path)
    assert path in git("ls-tree", "-r", "--name-only", "--full-tree", "change")
    with pytest.raises(RefusedError, match="leaves its folder"):
        judge()
    assert not (Path(tempfile.gettempdir()) / "escaped").exists()


def test_a_replaced_object_deceives_nobody(target: Path) -> None:
    """Whoever can put a reference there shows another commit under the same name."""
    good = git("rev-parse", "change")
    commit(target, "evil", **{PRODUCTION: EVIL})
    git("replace", git("rev-parse", "change"), good)
    with pytest.raises(RefusedError, match=NEITHER):
        judge()


def test_a_change_without_environments_is_an_error(target: Path) -> None:
    (target / RULES).unlink()
    commit_all(target, "no rules")
    with pytest.raises(ModelctlError, match=f"no {RULES}"):
        judge()


@pytest.mark.parametrize("base", ["", " ", "0" * 40, "nowhere", "--output=x", "main:environments"])
def test_a_base_that_is_no_commit_is_an_error(target: Path, base: str) -> None:
    for option in (("--base", base), ("--base", "main", "--head", base)):
        with pytest.raises(ModelctlError, match=f"{option[-2]} '.*' (names no|is not a) commit"):
            run("check", *option)


def test_a_shallow_clone_is_an_error(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("clone", "--quiet", "--depth=1", f"file://{target}", "../shallow")
    monkeypatch.chdir(target.parent / "shallow")
    with pytest.raises(ModelctlError, match=r"shallow[\s\S]*git fetch --unshallow"):
        run("check", "--base", "HEAD")


def test_a_base_without_a_common_commit_is_an_error(target: Path) -> None:
    git("switch", "--quiet", "--orphan", "other")
    commit(target, "start", **{RULES: ENVIRONMENTS})
    with pytest.raises(ModelctlError, match="no commit in common"):
        run("check", "--base", "main", "--head", "other")


def test_a_cluster_that_does_not_answer_is_an_error(target: Path) -> None:
    with pytest.raises(ModelctlError, match="--live: no cluster reachable"):
        judge("--live")
    for options in (("--live",), ("--head", "change")):
        with pytest.raises(ModelctlError, match=f"{options[0]} needs --base"):
            run("check", *options)
