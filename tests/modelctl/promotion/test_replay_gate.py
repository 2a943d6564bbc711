"""`replay` of an environment: a version enters once captured requests were asked again of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.model.bundle import canonical, verify
from modelctl.errors import ModelctlError, RefusedError, UsageError
from modelctl.repository import codeowners
from modelctl.repository.checkout import Repository
from tests import trained
from tests.app import live
from tests.modelctl.conftest import DIGEST_B, ENVIRONMENTS, VERSION, commit_all, git, run, variant
from tests.modelctl.delivery.test_replay import rewrite
from tests.modelctl.drift import drifting

LIMITS = '    replay: {"*": {maxChanged: 0.02, maxPsi: 0.1, minRows: 300}}\n'
ROWS = 400


def write_rules(root: Path, limits: str, message: str = "rules") -> None:
    text = ENVIRONMENTS.replace("name: staging\n", f"name: staging\n{limits}")
    (root / "environments/environments.yaml").write_text(text)
    commit_all(root, message)


def version_of(folder: Path) -> str:
    bundle = verify(folder)
    text = VERSION.replace(DIGEST_B, bundle.digest)
    return text.replace("1.0.0", bundle.manifest["version"])


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The trained iris under another version, so that another digest gives the same answers."""
    folder = tmp_path / "candidate"
    shutil.copytree(trained.bundle("iris"), folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_bytes(canonical({**manifest, "version": "1.1.0"}))
    return folder


@pytest.fixture
def waiting(repo: Path, candidate: Path) -> Path:
    """The trained iris in staging, the candidate in dev; staging asks for a replay."""
    (repo / "environments/staging/iris/version.yaml").write_text(version_of(trained.bundle("iris")))
    (repo / "environments/dev/iris/version.yaml").write_text(version_of(candidate))
    write_rules(repo, LIMITS)
    return repo


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    folder = tmp_path / "captured"
    drifting.capture(folder, "iris", rows=ROWS)
    return folder


def words(captured: Path, candidate: Path | str, *more: str) -> tuple[str, ...]:
    pair = ("--capture", str(captured), "--candidate", str(candidate))
    return ("replay", "iris", "--env", "staging", *pair, *more)


def spoil(captured: Path, every: int) -> None:
    """Make it so that the candidate answers one in so many rows otherwise."""

    def change(row: dict[str, object]) -> None:
        if int(str(row["row"])) % every == 0:
            row["prediction"] = "other"

    rewrite(captured, change)


def promote(*more: str) -> str:
    return run("promote", "iris", "--to", "staging", *more)


def by_hand(root: Path) -> None:
    source = root / "environments/dev/iris/version.yaml"
    (root / "environments/staging/iris/version.yaml").write_text(source.read_text())
    commit_all(root, "by hand")


def tags() -> list[str]:
    return git(Path.cwd(), "tag", "--list").split()


def test_a_promotion_waits_for_the_replay(
    waiting: Path, captured: Path, candidate: Path, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match=r"1\.1\.0 of 'iris' is not replayed for 'staging'"):
        promote()
    output = run(*words(captured, candidate, "--record"))
    (tag,) = tags()
    assert tag.startswith("replayed/staging/iris/")
    assert f"recorded as tag {tag}" in output
    # The commit that brought what staging serves.
    assert git(waiting, "rev-parse", f"{tag}^{{commit}}") == git(waiting, "rev-parse", "HEAD")
    expected = f"replayed: 0 of {ROWS} answers changed (0.00%), PSI 0.000"
    assert expected in promote("--dry-run")
    remote = tmp_path / "remote.git"
    git(waiting, "clone", "-q", "--bare", str(waiting), str(remote))
    git(waiting, "remote", "add", "origin", str(remote))
    git(waiting, "fetch", "-q", "origin")
    checklist = promote("--pull-request", "--dry-run")
    assert f"- [x] 1.1.0 is replayed for staging: 0 of {ROWS} answers changed" in checklist


def test_check_asks_for_it_too(waiting: Path, captured: Path, candidate: Path) -> None:
    by_hand(waiting)
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run("check", "--base", "HEAD^")
    git(waiting, "checkout", "-q", "HEAD^")
    run(*words(captured, candidate, "--record"))
    git(waiting, "checkout", "-q", "-")
    assert f"0 of {ROWS} answers changed" in run("check", "--base", "HEAD^")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ("maxChanged: 0.02", "changed answers: expected at most 2.00%, found 4.00%"),
        ("maxPsi: 0.1", "PSI of the predictions: expected at most 0.100"),
        ("maxPsi: 9, minRows: 401", "answered rows: expected at least 401, found 400"),
    ],
    ids=["changed", "psi", "rows"],
)
def test_what_exceeds_a_limit_is_neither_recorded_nor_accepted(
    waiting: Path, captured: Path, candidate: Path, limits: str, reason: str
) -> None:
    """A limit that is tightened later counts for a record that is there already."""
    spoil(captured, 25)
    write_rules(waiting, '    replay: {"*": {%s}}\n' % limits)  # noqa: UP031 - braces
    with pytest.raises(RefusedError, match=reason):
        run(*words(captured, candidate, "--record"))
    assert tags() == []
    write_rules(waiting, '    replay: {"*": {maxChanged: 1, minRows: 1}}\n', "lenient")
    run(*words(captured, candidate, "--record"))
    write_rules(waiting, '    replay: {"*": {%s}}\n' % limits, "strict")  # noqa: UP031
    with pytest.raises(RefusedError, match=reason):
        promote()
    by_hand(waiting)
    with pytest.raises(RefusedError, match=reason):
        run("check", "--base", "HEAD^")


def test_rows_that_the_candidate_refuses_do_not_count(
    waiting: Path, captured: Path, candidate: Path
) -> None:
    def spoil_features(row: dict[str, object]) -> None:
        if int(str(row["row"])) % 25 == 0:
            row["features"] = {**drifting.sample("iris")[0], "petal_width": "wide"}

    rewrite(captured, spoil_features)
    with pytest.raises(RefusedError, match="rows that the candidate refuses: expected at most 0"):
        run(*words(captured, candidate, "--record"))
    limits = "{maxChanged: 0, maxRefused: 0.5, minRows: 390}"
    write_rules(waiting, f'    replay: {{"*": {limits}}}\n')
    with pytest.raises(RefusedError, match="answered rows: expected at least 390, found 384"):
        run(*words(captured, candidate, "--record"))


def test_only_rows_that_the_release_answered_count(
    waiting: Path, captured: Path, candidate: Path, tmp_path: Path
) -> None:
    """Neither those of an earlier version, nor one row many times."""
    older = tmp_path / "older"
    drifting.capture(older, "iris", rows=ROWS, digest="sha256:" + "0" * 64)
    with pytest.raises(ModelctlError, match="no captured row can be asked again") as refused:
        run(*words(older, candidate, "--record"))
    assert "answered by another version" in refused.value.found
    few = tmp_path / "few"
    drifting.capture(few, "iris", rows=50)
    for copy in range(9):
        shutil.copy(next(few.glob("*.jsonl")), few / f"copy-{copy}.jsonl")
    with pytest.raises(RefusedError, match="answered rows: expected at least 300, found 50"):
        run(*words(few, candidate, "--record"))


def test_a_record_is_of_one_bundle_beside_another(
    waiting: Path, captured: Path, candidate: Path
) -> None:
    run(*words(captured, candidate, "--record"))
    # Another chart answers the same.
    path = waiting / "environments/dev/iris/version.yaml"
    path.write_text(path.read_text().replace("version: 0.1.0", "version: 0.2.0"))
    commit_all(waiting, "another chart")
    promote("--dry-run")
    # What staging serves has changed since.
    path = waiting / "environments/staging/iris/version.yaml"
    path.write_text(VERSION)
    commit_all(waiting, "staging moved on")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        promote()


def test_without_a_release_or_with_its_own_bundle_there_is_nothing_to_replay(
    waiting: Path, candidate: Path
) -> None:
    staging = waiting / "environments/staging/iris/version.yaml"
    first = staging.read_text()
    staging.write_text(version_of(candidate).replace("0.1.0", "0.0.9"))
    commit_all(waiting, "the same bundle, another chart")
    promote("--dry-run")
    # A retirement between does not get around the rule: the newest one that ran counts.
    staging.write_text(first)
    commit_all(waiting, "back")
    staging.unlink()
    commit_all(waiting, "retired")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        promote()


def test_a_first_release_needs_none(released: Path) -> None:
    write_rules(released, LIMITS)
    promote()


def test_limits_of_a_model_replace_those_of_all(waiting: Path) -> None:
    write_rules(waiting, '    replay: {"*": {maxChanged: 0}, other: {maxChanged: 0.5}}\n')
    with pytest.raises(RefusedError, match="is not replayed"):
        promote()
    write_rules(waiting, "    replay: {other: {maxChanged: 0}}\n", "other models")
    promote("--dry-run")


def test_limits_for_a_model_that_nobody_has_are_refused(waiting: Path) -> None:
    write_rules(waiting, "    replay: {irsi: {maxChanged: 0}}\n")
    with pytest.raises(RefusedError, match="is for 'irsi', which no environment has; expected"):
        run("check")


def test_an_override_leaves_the_rule_out(waiting: Path) -> None:
    allowed = '    overrides: {rules: [replay], approvers: ["@you/on-call"]}\n'
    write_rules(waiting, LIMITS + allowed)
    owners = waiting / codeowners.FILE
    owners.parent.mkdir()
    owners.write_text(codeowners.text("", Repository.find(waiting).environments))
    commit_all(waiting, "owners")
    with pytest.raises(RefusedError) as refused:
        promote()
    assert "--override replay" in refused.value.fix
    promote("--override", "replay", "--reason", "outage 17")
    commit_all(waiting, "override")
    run("check", "--base", "HEAD^")


def test_a_service_or_a_shadow_is_recorded_by_its_digest(
    waiting: Path, captured: Path, candidate: Path, tmp_path: Path
) -> None:
    served = f"http://127.0.0.1:{live.shared('iris').port}"
    with pytest.raises(RefusedError, match="the candidate is what 'staging' serves already"):
        run(*words(captured, served, "--record"))
    shadow = tmp_path / "shadow"

    def answer(row: dict[str, object]) -> None:
        row["digest"] = verify(candidate).digest

    rewrite(captured, answer, shadow)
    pair = ("--capture", str(captured), "--against", str(shadow))
    run("replay", "iris", "--env", "staging", *pair, "--record")
    promote("--dry-run")


def test_the_limits_of_the_environment_cannot_be_loosened(
    waiting: Path, captured: Path, candidate: Path
) -> None:
    for more in (("--tolerance", "9"), ("--max-changed", "1")):
        with pytest.raises(UsageError, match="limits of 'staging'"):
            run(*words(captured, candidate, *more))
    pair = ("--capture", str(captured), "--candidate", str(candidate))
    for arguments in ((*pair, "--record"), ("iris", *pair), ("--env", "staging", *pair)):
        with pytest.raises(UsageError, match="MODEL and --env"):
            run("replay", *arguments)
    with pytest.raises(ModelctlError, match="'production' has no limits for a replay of 'iris'"):
        run("replay", "iris", "--env", "production", *pair)


def test_only_the_record_itself_counts(waiting: Path, captured: Path, candidate: Path) -> None:
    run(*words(captured, candidate, "--record"))
    (tag,) = tags()
    body = git(waiting, "for-each-ref", "--format=%(contents:body)", f"refs/tags/{tag}")
    found = json.loads(body)
    forged = [
        "hello",
        "[" * 100_000,
        json.dumps({**found, "psi": float("nan")}),
        json.dumps({**found, "changed": -1}),
        json.dumps({**found, "rows": 10**400}),
        json.dumps({**found, "refused": found["rows"] + 1}),
        json.dumps({**found, "rows": "400"}),
        json.dumps({**found, "candidate": "sha256:" + "0" * 64}),
        json.dumps({**found, "baseline": "sha256:" + "0" * 64}),
        json.dumps({**found, "release": "production/iris"}),
    ]
    for text in forged:
        git(waiting, "tag", "--force", "--annotate", "--message", f"mine\n\n{text}", tag)
        with pytest.raises(ModelctlError, match="is not a record of this replay"):
            promote()
    loose = json.dumps({**found, "tolerance": 1e9})
    git(waiting, "tag", "--force", "--annotate", "--message", f"mine\n\n{loose}", tag)
    with pytest.raises(RefusedError, match="tolerance: expected at most 1e-06, found 1e"):
        promote()
    git(waiting, "tag", "--delete", tag)
    git(waiting, "commit", "--quiet", "--allow-empty", "--message", f"words\n\n{body}")
    git(waiting, "tag", tag)
    with pytest.raises(RefusedError, match="is not replayed"):
        promote()


def test_the_record_is_pushed_and_the_first_of_two_counts(
    waiting: Path, captured: Path, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, other = tmp_path / "remote.git", tmp_path / "other"
    subprocess.run(["git", "clone", "-q", "--bare", str(waiting), str(remote)], check=True)
    subprocess.run(["git", "clone", "-q", str(remote), str(other)], check=True)
    git(waiting, "remote", "add", "origin", str(remote))
    run(*words(captured, candidate, "--record"))
    first = git(remote, "for-each-ref", "--format=%(objectname)", "refs/tags")
    monkeypatch.chdir(other)
    with pytest.raises(RefusedError, match="git fetch --tags"):
        promote()
    run(*words(captured, candidate, "--record"))
    assert git(other, "for-each-ref", "--format=%(objectname)", "refs/tags") == first != ""
    promote("--dry-run")


def test_a_variant_that_serves_is_replayed_and_its_winner_too(
    waiting: Path, captured: Path, candidate: Path
) -> None:
    """A shadow answers nobody; a share, and becoming the release, are what the rule is about."""
    place = waiting / "environments/staging/iris/variants/next.yaml"
    add = ("variant", "add", "iris", "next", "--env", "staging")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run(*add, "--share", "10")
    run(*add, "--mirror", "100")
    commit_all(waiting, "shadow")
    run("check", "--base", "HEAD^")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run("variant", "share", "iris", "next", "10", "--env", "staging")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run("variant", "promote", "iris", "next", "--env", "staging")
    text = place.read_text()
    place.write_text(variant("next", 10, version_of(candidate)))
    commit_all(waiting, "a share by hand")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run("check", "--base", "HEAD^")
    place.write_text(text)
    commit_all(waiting, "back")
    staging = waiting / "environments/staging/iris/version.yaml"
    first = staging.read_text()
    staging.write_text(version_of(candidate))
    place.unlink()
    commit_all(waiting, "the winner by hand")
    with pytest.raises(RefusedError, match="is not replayed for 'staging'"):
        run("check", "--base", "HEAD^")
    git(waiting, "reset", "-q", "--hard", "HEAD^")
    assert staging.read_text() == first
    run(*words(captured, candidate, "--record"))
    run("variant", "share", "iris", "next", "10", "--env", "staging")
    commit_all(waiting, "a share")
    run("check", "--base", "HEAD^")
    run("variant", "promote", "iris", "next", "--env", "staging")
    commit_all(waiting, "the winner")
    run("check", "--base", "HEAD^")


@pytest.mark.parametrize(
    "limits",
    [
        "{}",
        "{minRows: 5}",
        "{maxChanged: 2}",
        "{maxPsi: .nan}",
        "{maxPsi: .inf}",
        "{maxChanged: 0, minRows: 0}",
        "{maxChanged: 0, tolerance: -1}",
    ],
)
def test_limits_that_limit_nothing_are_refused(waiting: Path, limits: str) -> None:
    write_rules(waiting, f'    replay: {{"*": {limits}}}\n')
    with pytest.raises(ModelctlError, match=r"environments\.yaml"):
        run("check")


def test_the_first_environment_takes_no_limits(waiting: Path) -> None:
    text = ENVIRONMENTS.replace("name: dev\n", f"name: dev\n{LIMITS}")
    (waiting / "environments/environments.yaml").write_text(text)
    with pytest.raises(ModelctlError, match="takes new builds"):
        run("check")
