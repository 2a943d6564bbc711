"""`modelctl verify-release`: what a real service answers, as a tag that promotions ask for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from app.model.bundle import verify
from modelctl.errors import ModelctlError, RefusedError
from modelctl.quality import smoke
from tests import trained
from tests.app import live
from tests.modelctl.conftest import DIGEST_B, ENVIRONMENTS, VERSION, commit_all, run
from tests.modelctl.quality.test_smoke import answering

REQUIRED = ENVIRONMENTS.replace("name: dev\n", "name: dev\n    verification: [sample]\n")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def verifiable(released: Path) -> Path:
    """The trained iris in dev, which asks for a verification."""
    digest = verify(trained.bundle("iris")).digest
    path = released / "environments/dev/iris/version.yaml"
    path.write_text(VERSION.replace(DIGEST_B, digest))
    (released / "environments/environments.yaml").write_text(REQUIRED)
    commit_all(released, "the trained one")
    return released


def words(*more: str, url: str = "") -> tuple[str, ...]:
    url = url or f"http://127.0.0.1:{live.shared('iris').port}"
    bundle = str(trained.bundle("iris"))
    return ("verify-release", "iris", "--env", "dev", "--bundle", bundle, "--url", url, *more)


def test_a_promotion_waits_for_the_verification(verifiable: Path) -> None:
    with pytest.raises(RefusedError, match=r"not verified in 'dev': no record of sample"):
        run("promote", "iris", "--to", "staging")
    output = run(*words("--record"))
    rows = len(smoke.sample_rows(verify(trained.bundle("iris")))[0])
    assert f"dev-iris: 1.0.0 answers as packaged: {rows} rows of sample" in output
    assert "verified: sample" in run("promote", "iris", "--to", "staging", "--dry-run")
    (tag,) = git("tag", "--list").split()
    assert tag.startswith("verified/dev/iris/")
    # The commit that brought the version, whatever came since.
    assert git("rev-parse", f"{tag}^{{commit}}") == git("rev-parse", "HEAD")


def test_check_asks_for_it_too(verifiable: Path) -> None:
    source = verifiable / "environments/dev/iris/version.yaml"
    (verifiable / "environments/staging/iris/version.yaml").write_text(source.read_text())
    commit_all(verifiable, "by hand")
    with pytest.raises(RefusedError, match="is not verified in 'dev'"):
        run("check", "--base", "HEAD^")
    run(*words("--record"))
    run("check", "--base", "HEAD^")


def test_a_record_counts_for_that_version_only(verifiable: Path) -> None:
    run(*words("--record"))
    path = verifiable / "environments/dev/iris/version.yaml"
    path.write_text(path.read_text().replace("version: 0.1.0", "version: 0.2.0"))
    commit_all(verifiable, "another chart")
    with pytest.raises(RefusedError, match="is not verified in 'dev'"):
        run("promote", "iris", "--to", "staging")


def test_another_answer_is_not_recorded(verifiable: Path) -> None:
    digest = verify(trained.bundle("iris")).digest
    with (
        answering(digest, "wrong") as url,
        pytest.raises(RefusedError, match="does not answer as") as refused,
    ):
        run(*words("--record", url=url))
    assert "row 0: expected" in refused.value.found
    assert git("tag", "--list") == ""


def test_another_bundle_or_an_uncommitted_version_is_refused(verifiable: Path) -> None:
    path = verifiable / "environments/dev/iris/version.yaml"
    text = path.read_text()
    path.write_text(text.replace("tag: 1.0.0", "tag: 1.0.1"))
    with pytest.raises(ModelctlError, match="is not committed"):
        run(*words("--record"))
    path.write_text(VERSION)
    with pytest.raises(RefusedError, match="the bundle is not the one of 'iris' in 'dev'"):
        run(*words())


def captured(folder: Path, *rows: dict[str, object]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_captured_rows_are_asked_again(verifiable: Path, tmp_path: Path) -> None:
    bundle = verify(trained.bundle("iris"))
    rows, predictions = smoke.sample_rows(bundle)
    # As the service captures a row: by the names of its features.
    features = dict(
        zip([entry["name"] for entry in bundle.manifest["inputs"]], rows[0], strict=True)
    )
    shared = {"time": "2026-11-26T00:00:00Z", "request_id": "r1", "row": 0, "features": features}
    own = {**shared, "digest": bundle.digest, "prediction": predictions[0]}
    other = {**shared, "digest": "sha256:0", "prediction": "another"}
    part = {**other, "features": {}}
    output = run(*words("--captured", captured(tmp_path, own, other, part), "--record"))
    assert "2 rows of captured" in output
    wrong = {**own, "prediction": "another"}
    with pytest.raises(RefusedError) as refused:
        run(*words("--captured", captured(tmp_path, own, wrong)))
    assert "row 0 of request r1: expected 'another', found" in refused.value.found
    unreadable = {**other, "features": dict.fromkeys(features, "?")}
    with pytest.raises(RefusedError, match="does not answer as"):
        run(*words("--captured", captured(tmp_path, unreadable)))


def test_an_environment_may_ask_for_captured_rows(verifiable: Path) -> None:
    text = REQUIRED.replace("[sample]", "[sample, captured]")
    (verifiable / "environments/environments.yaml").write_text(text)
    commit_all(verifiable, "captured rows too")
    with pytest.raises(ModelctlError, match="'dev' asks for more checks") as refused:
        run(*words("--record"))
    assert refused.value.fix == "--captured PATH"


def test_the_record_is_pushed_and_the_first_of_two_counts(
    verifiable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, other = tmp_path / "remote.git", tmp_path / "other"
    git("clone", "-q", "--bare", str(verifiable), str(remote))
    git("clone", "-q", str(remote), str(other))
    git("remote", "add", "origin", str(remote))
    run(*words("--record"))
    first = git("-C", str(remote), "for-each-ref", "--format=%(objectname)", "refs/tags")
    monkeypatch.chdir(other)
    with pytest.raises(RefusedError, match="git fetch --tags"):
        run("promote", "iris", "--to", "staging")
    run(*words("--record"))
    run(*words("--record"))
    assert git("for-each-ref", "--format=%(objectname)", "refs/tags") == first
    assert git("-C", str(remote), "for-each-ref", "--format=%(objectname)", "refs/tags") == first
    run("promote", "iris", "--to", "staging")


def test_a_tag_that_is_no_record_is_refused(verifiable: Path) -> None:
    run(*words("--record"))
    (tag,) = git("tag", "--list").split()
    git("tag", "--force", "--annotate", "--message", "mine\n\nhello", tag)
    with pytest.raises(ModelctlError, match="is not a record of a verification"):
        run("promote", "iris", "--to", "staging")
    git("tag", "--delete", tag)
    git("tag", tag)
    with pytest.raises(RefusedError, match="is not verified"):
        run("promote", "iris", "--to", "staging")


def test_only_the_record_itself_counts(verifiable: Path) -> None:
    """Neither a tag below its name, nor a commit with its words, nor one of another version."""
    run(*words("--record"))
    (tag,) = git("tag", "--list").split()
    body = git("for-each-ref", "--format=%(contents:body)", f"refs/tags/{tag}")
    git("tag", "--delete", tag)
    git("tag", "--annotate", "--message", f"below\n\n{body}", f"{tag}/below")
    git("commit", "--quiet", "--allow-empty", "--message", f"words\n\n{body}")
    with pytest.raises(RefusedError, match="is not verified"):
        run("promote", "iris", "--to", "staging")
    git("tag", "--delete", f"{tag}/below")
    git("tag", tag)
    with pytest.raises(RefusedError, match="is not verified"):
        run("promote", "iris", "--to", "staging")
    for other in (body.replace("1.0.0", "6.6.6"), '{"checks": {"sample": 1}}', "[" * 100_000):
        git("tag", "--force", "--annotate", "--message", f"other\n\n{other}", tag)
        with pytest.raises(ModelctlError, match="is not a record of a verification"):
            run("promote", "iris", "--to", "staging")


def test_without_a_cluster_or_a_url_nothing_is_verified(verifiable: Path) -> None:
    with pytest.raises(ModelctlError, match="no cluster reachable"):
        run("verify-release", "iris", "--env", "dev", "--bundle", str(trained.bundle("iris")))
