"""Ways around the promotion rules by what git reads: objects, attributes, dates and bases."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import ENVIRONMENTS, VALUES, VERSION, commit_all, run
from tests.modelctl.promotion.attacks import NEITHER, refused
from tests.modelctl.promotion.judged import (
    DEV,
    EVIL,
    PRODUCTION,
    RULES,
    STAGING,
    commit,
    git,
    judge,
    merge,
    soaking,
    write,
)


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
