"""Whatever git does not show as Helm reads it is refused, and followed by no command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests import rendering
from tests.modelctl.conftest import VERSION, commit_all, run

VERSION_FILE = "environments/dev/iris/version.yaml"
STAGING = "environments/staging/iris"


def link(root: Path, name: str, target: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.unlink()
    path.symlink_to(target)


def git(root: Path, *arguments: str, stdin: str = "") -> str:
    argv = ["git", "-C", str(root), *arguments]
    return subprocess.run(argv, input=stdin, check=True, capture_output=True, text=True).stdout


def linked_version(root: Path) -> None:
    (root / "elsewhere.yaml").write_text(VERSION)
    link(root, VERSION_FILE, "../../../elsewhere.yaml")


def linked_model(root: Path) -> None:
    (root / STAGING).rename(root / "elsewhere")
    link(root, STAGING, "../../elsewhere")


def linked_common(root: Path) -> None:
    (root / "elsewhere.yaml").write_text("{}\n")
    link(root, "environments/dev/common.yaml", "../../elsewhere.yaml")


def dangling(root: Path) -> None:
    link(root, "kustomize/base/quota.yaml", "nowhere")


def linked_chart(root: Path) -> None:
    (root / "charts/ml-model/values.yaml").rename(root / "values.yaml")
    link(root, "charts/ml-model/values.yaml", "../../values.yaml")


def linked_root(root: Path) -> None:
    (root / "elsewhere").mkdir()
    link(root, "models", "elsewhere")


def pipe(root: Path) -> None:
    (root / "argocd").mkdir()
    os.mkfifo(root / "argocd/values.yaml")


def repository_inside(root: Path) -> None:
    (root / "models/iris").mkdir(parents=True)
    git(root, "init", "-q", "models/iris")


def only_in_index(mode: str) -> Callable[[Path], None]:
    """As a checkout without support of links has it: a file, whose mode only git knows."""

    def change(root: Path) -> None:
        git(root, "add", "-A")
        blob = git(root, "hash-object", "-w", "--stdin", stdin="../elsewhere").strip()
        head = git(root, "rev-parse", "HEAD").strip()
        name = "models/iris" if mode == "160000" else VERSION_FILE
        entry = f"{mode},{head if mode == '160000' else blob},{name}"
        git(root, "update-index", "--add", "--cacheinfo", entry)

    return change


CASES = [
    pytest.param(linked_version, VERSION_FILE, "a symbolic link", id="version-file"),
    pytest.param(linked_model, STAGING, "a symbolic link", id="folder-of-a-model"),
    pytest.param(linked_common, "environments/dev/common.yaml", "a symbolic link", id="common"),
    pytest.param(dangling, "kustomize/base/quota.yaml", "a symbolic link", id="dangling"),
    pytest.param(linked_chart, "charts/ml-model/values.yaml", "a symbolic link", id="chart"),
    pytest.param(linked_root, "models", "a symbolic link", id="root"),
    pytest.param(pipe, "argocd/values.yaml", "no regular file", id="pipe"),
    pytest.param(repository_inside, "models/iris/.git", "a git repository inside", id="repository"),
    pytest.param(only_in_index("120000"), VERSION_FILE, "a symbolic link", id="link-in-index"),
    pytest.param(only_in_index("160000"), "models/iris", "a submodule", id="submodule"),
]


@pytest.mark.parametrize(("change", "name", "what"), CASES)
def test_check_refuses_what_is_no_plain_file(
    released: Path, change: Callable[[Path], None], name: str, what: str
) -> None:
    change(released)
    with pytest.raises(RefusedError, match=f"1 problem\n{name}: is {what}"):
        run("check")


@pytest.mark.parametrize(("change", "name", "what"), CASES[:6])
def test_check_of_a_branch_refuses_what_is_no_plain_file(
    released: Path, change: Callable[[Path], None], name: str, what: str
) -> None:
    change(released)
    commit_all(released, "link")
    for base in ("HEAD^", "HEAD"):  # merged against the rule it is refused too
        with pytest.raises(RefusedError, match=f"\n{name}: is {what}"):
            run("check", "--base", base)


@pytest.mark.parametrize(("change", "name", "what"), CASES[8:])
def test_check_of_a_branch_refuses_what_only_git_knows(
    released: Path, change: Callable[[Path], None], name: str, what: str
) -> None:
    change(released)
    with pytest.raises(RefusedError, match=f"\n{name}: is {what}"):
        run("check", "--base", "HEAD")


PROMOTE = ("promote", "iris", "--to", "staging", "--no-live")
DIFF = ("diff", "--base", "HEAD")
BETWEEN = ("diff", "iris", "dev", "staging")
RENDER = ("render", "iris", "--env", "dev")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((linked_version, words) for words in (PROMOTE, DIFF, BETWEEN, RENDER)),
        *((linked_model, words) for words in (PROMOTE, DIFF, BETWEEN)),
        *((linked_common, words) for words in (DIFF, BETWEEN, RENDER)),
        *((linked_chart, words) for words in (DIFF, BETWEEN, RENDER)),
    ],
)
def test_no_command_follows_a_link(
    released: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv("HELM", str(rendering.tool("helm4")))
    (released / STAGING / "version.yaml").write_text(VERSION)
    commit_all(released, "release in staging")
    change(released)
    commit_all(released, "link")
    with pytest.raises(RefusedError, match="is a symbolic link"):
        run(*words)


def test_a_diff_refuses_a_link_whose_target_alone_changed(released: Path) -> None:
    linked_version(released)
    commit_all(released, "merged against the rule")
    (released / "elsewhere.yaml").write_text(VERSION.replace("1.0.0", "1.1.0"))
    with pytest.raises(RefusedError, match=f"{VERSION_FILE}: is a symbolic link"):
        run(*DIFF)


def test_a_promotion_does_not_read_settings_through_a_link(released: Path) -> None:
    (released / "elsewhere.yaml").write_text("config:\n  logLevel: debug\n")
    link(released, "environments/dev/iris/settings.yaml", "../../../elsewhere.yaml")
    commit_all(released, "link")
    with pytest.raises(RefusedError, match=r"iris/settings\.yaml is a symbolic link"):
        run("promote", "iris", "--to", "staging", "--with-settings")


def test_what_git_ignores_is_not_looked_at(released: Path) -> None:
    (released / ".gitignore").write_text("/models/*/.venv\n*.link\n")
    link(released, "models/iris/.venv/bin/python", "/usr/bin/python3")
    link(released, "charts/ml-model/a.link", "nowhere")
    run("check")


def test_names_that_differ_in_case_alone_are_refused(released: Path) -> None:
    git(released, "config", "core.ignorecase", "false")
    for name in ("kustomize/Base/a.yaml", "kustomize/base/b.yaml", "models/ä.py", "models/Ä.py"):
        path = released / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    with pytest.raises(RefusedError) as refused:
        run("check")
    assert str(refused.value).splitlines() == [
        "2 problems",
        "kustomize/base: collides with kustomize/Base where file names ignore case; rename one",
        "models/ä.py: collides with models/Ä.py where file names ignore case; rename one",
    ]
    commit_all(released, "two of each")
    for name in ("kustomize/Base/a.yaml", "models/Ä.py"):  # a checkout has room for one alone
        (released / name).unlink()
    (released / "kustomize/Base").rmdir()
    with pytest.raises(RefusedError, match="2 problems"):
        run("check")


def test_a_name_that_is_not_utf_8_does_not_stop_the_check(released: Path) -> None:
    (released / "models").mkdir()
    Path(os.fsdecode(os.fsencode(released / "models") + b"/\xff.py")).touch()
    run("check")
