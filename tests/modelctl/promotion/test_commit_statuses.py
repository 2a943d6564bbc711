"""Health by the commit statuses of the forge: what lets a version into the next environment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelctl.cluster import commit_statuses
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl import kubectl
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, ENVIRONMENTS, run
from tests.modelctl.promotion.judged import NEW, PRODUCTION, RULES, commit, git
from tests.modelctl.promotion.statuses import TOKEN, GitHub, github, status

CHECK = ("check", "--base", "main", "--head", "change")
PROMOTE = ("promote", "iris", "--to", "production", "--no-live", "--dry-run")
IMAGE = f"registry.example/iris:1.1.0@{DIGEST_A}"
SOAK = ENVIRONMENTS.replace("ml-production\n", "ml-production\n    soakMinutes: 60\n")


def ago(minutes: float) -> str:
    when = datetime.now(UTC) - timedelta(minutes=minutes)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def require(root: Path, rules: str = ENVIRONMENTS, reporter: str = "argocd[bot]") -> None:
    """Name who reports health on the target branch; the branch `change` promotes 1.1.0."""
    git("switch", "--quiet", "main")
    commit(root, "rules", **{RULES: f'{rules}healthReporter: "{reporter}"\n'})
    git("switch", "--quiet", "--force-create", "change")
    commit(root, "promote", **{PRODUCTION: NEW})


@pytest.fixture
def forge(target: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """GitHub, as the remote; `main` asks for the health of 1.1.0 in staging."""
    git("remote", "add", "origin", "git@github.com:Some-Owner/models.git")
    require(target)
    for name in commit_statuses.TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    with github() as served:
        monkeypatch.setenv(commit_statuses.URL_VARIABLE, served.url)
        yield served


def brought() -> str:
    """The commit that brought 1.1.0 to staging."""
    return git("log", "--format=%H", "--max-count=1", "main", "--", "environments/staging")


def at(revision: str) -> str:
    return git("rev-parse", revision)


def refusal(*words: str) -> str:
    with pytest.raises(RefusedError) as raised:
        run(*(words or CHECK))
    return str(raised.value)


def test_a_success_lets_the_version_in_and_is_shown(forge: GitHub) -> None:
    commit_ = brought()
    forge.statuses[commit_] = [status(at=ago(185))]
    expected = (
        "1.1.0 in staging: Healthy, for 3 h "
        f"(commit status argocd/staging-iris of {commit_[:7]} by argocd[bot])\n"
    )
    output = run(*CHECK)
    assert output.startswith(expected)
    assert "no problems" in output
    (line,) = json.loads(run(*CHECK, "--output", "json"))["evidence"]
    assert line == expected.strip()
    git("switch", "--quiet", "main")
    git("update-ref", "refs/remotes/origin/main", "main")
    assert run(*PROMOTE).splitlines()[0] == expected.strip()


def test_the_status_is_on_the_commit_of_the_sync_which_may_be_a_later_one(
    forge: GitHub,
) -> None:
    forge.statuses[at("main")] = [status()]
    assert at("main") != brought()
    assert "no problems" in run(*CHECK)


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        pytest.param([], "found no commit status (argocd/staging-iris by argocd[bot] on none of 2"),
        pytest.param(
            [status("FAILURE", description="pods crash")],
            "found failure (commit status argocd/staging-iris of ",
            id="failure",
        ),
        pytest.param([status("FAILURE", description="pods crash")], ": pods crash)", id="why"),
        pytest.param([status("ERROR")], "found error (commit status", id="error"),
        pytest.param([status("PENDING")], "found pending (commit status", id="pending"),
        pytest.param([status("EXPECTED")], "found expected (commit status", id="expected"),
        pytest.param([status(context="argocd/dev-iris")], "found no commit status", id="renamed"),
        pytest.param(
            [status(creator={"__typename": "Bot", "login": "github-actions"})],
            "by github-actions[bot], which only argocd[bot] may write",
            id="forged by a workflow",
        ),
        pytest.param(
            [status(creator={"__typename": "User", "login": "argocd"})],
            "by argocd, which only argocd[bot] may write",
            id="a person with the app's name",
        ),
        pytest.param([status(creator=None)], "by a deleted account, which only", id="deleted"),
        pytest.param(
            [status(context="ArgoCD/Staging-Iris", creator={"__typename": "User", "login": "eve"})],
            "by eve, which only",
            id="another case, which replaces it",
        ),
    ],
)
def test_anything_else_is_refused_with_what_was_found(
    forge: GitHub, statuses: list[dict[str, object]], message: str
) -> None:
    forge.statuses[brought()] = statuses
    said = refusal()
    assert f"{PRODUCTION}: 'iris' in 'staging': expected health Healthy, found " in said
    assert message in said
    git("switch", "--quiet", "main")
    git("update-ref", "refs/remotes/origin/main", "main")
    assert message in refusal(*PROMOTE)


def test_the_newest_word_counts(forge: GitHub) -> None:
    """A release that degrades after a success, on an older commit than the newest."""
    forge.statuses[at("main")] = [status(at=ago(30))]
    forge.statuses[brought()] = [status("FAILURE", at=ago(10))]
    assert "found failure" in refusal()
    forge.statuses[brought()] = [status(at=ago(5))]  # recovered
    assert "Healthy, for 30 min" in run(*CHECK)


def test_a_forged_status_does_not_uncover_an_older_success(forge: GitHub) -> None:
    """It replaces a failure of the reporter, which nobody sees any more."""
    eve = {"__typename": "User", "login": "eve"}
    forge.statuses[brought()] = [status(at=ago(60))]
    forge.statuses[at("main")] = [status(at=ago(5), creator=eve)]
    assert "by eve, which only argocd[bot] may write" in refusal()


def test_a_failure_in_the_same_second_counts_as_the_newer_one(forge: GitHub) -> None:
    forge.statuses[brought()] = [status()]
    forge.statuses[at("main")] = [status("FAILURE")]
    assert "found failure" in refusal()


def test_a_success_of_the_version_before_says_nothing(forge: GitHub) -> None:
    forge.statuses[at(f"{brought()}^")] = [status()]
    assert "found no commit status" in refusal()


def test_the_soak_time_counts_from_the_first_success_without_interruption(
    target: Path, forge: GitHub
) -> None:
    require(target, SOAK)
    forge.statuses[brought()] = [status(at=ago(90))]
    forge.statuses[at("main")] = [status(at=ago(20))]
    assert "Healthy, for 90 min" in run(*CHECK)
    forge.statuses[at("main^")] = [status("FAILURE", at=ago(40))]
    assert "requires a soak time of 60 min in 'staging': 1.1.0 has been there for 20 min " in (
        refusal()
    )


def test_a_person_may_report(target: Path, forge: GitHub) -> None:
    require(target, reporter="Argo-User")
    creator = {"__typename": "User", "login": "argo-user"}
    forge.statuses[brought()] = [status(creator=creator)]
    assert "no problems" in run(*CHECK)


def test_more_than_a_hundred_commits_are_several_questions(target: Path, forge: GitHub) -> None:
    git("switch", "--quiet", "main")
    git("config", "user.name", "test")
    git("config", "user.email", "test@example.org")
    first = brought()
    for number in range(230):
        git("commit", "--quiet", "--allow-empty", "--message", f"another model {number}")
    git("switch", "--quiet", "--force-create", "change")
    commit(target, "promote", **{PRODUCTION: NEW})
    forge.statuses[first] = [status()]
    assert "no problems" in run(*CHECK)
    assert [len(commits) for commits in forge.asked] == [100, 100, 32]
    assert forge.asked[-1][-1] == first


def test_one_answer_serves_several_models(target: Path, forge: GitHub) -> None:
    git("switch", "--quiet", "main")
    for environment in ("staging", "production"):
        name = f"environments/{environment}/wine"
        files = {f"{name}/settings.yaml": "{}\n", f"{name}/capacity.yaml": "{}\n"}
        commit(target, "wine", **files)
    commit(target, "wine", **{"environments/staging/wine/version.yaml": NEW})
    forge.statuses[brought()] = [status(), status(context="argocd/staging-wine")]
    git("update-ref", "refs/remotes/origin/main", "main")
    run("promote", "iris", "wine", "--to", "production", "--no-live", "--dry-run")
    commits = [each for question in forge.asked for each in question]
    assert len(commits) == len(set(commits))


def test_nothing_is_asked_without_a_reporter(target: Path, forge: GitHub) -> None:
    git("switch", "--quiet", "main")
    commit(target, "none", **{RULES: ENVIRONMENTS})
    git("switch", "--quiet", "--force-create", "change")
    commit(target, "promote", **{PRODUCTION: NEW})
    assert "(since its commit); health not checked\n" in run(*CHECK)
    assert not forge.asked


def test_the_change_cannot_choose_who_reports(target: Path, forge: GitHub) -> None:
    commit(target, "mine", **{RULES: f"{ENVIRONMENTS}healthReporter: eve\n"})
    said = refusal()
    assert "rules first" in said or "the rules first" in said
    assert "argocd/staging-iris by argocd[bot] on none" in said


HTML = "<!doctype html><title>Sign in</title>"
LIMIT = "API rate limit exceeded for installation ID 1."
FORBIDDEN = {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param((200, {"Content-Type": "text/html"}, HTML), "<title>Sign in", id="login page"),
        pytest.param((302, {"Location": "/login"}, HTML), "answered HTTP 302", id="redirect"),
        pytest.param((403, {}, json.dumps({"message": LIMIT})), LIMIT, id="rate limit of HTTP"),
        pytest.param(
            (200, {}, json.dumps({"errors": [{"type": "RATE_LIMITED", "message": LIMIT}]})),
            LIMIT,
            id="rate limit of GraphQL",
        ),
        pytest.param(
            (200, {}, json.dumps({"data": {"repository": None}, "errors": [FORBIDDEN]})),
            "Resource not accessible by integration",
            id="no permission",
        ),
        pytest.param(
            (200, {}, json.dumps({"data": {"repository": {"c0": None}}, "errors": [FORBIDDEN]})),
            "Resource not accessible by integration",
            id="a part only",
        ),
        pytest.param((502, {}, "<html>Unicorn!</html>"), "answered HTTP 502", id="gateway"),
        pytest.param((200, {}, ""), "found: nothing", id="empty"),
        pytest.param((200, {}, "[]"), "no answer of GitHub: []", id="another JSON"),
        pytest.param(
            (200, {}, json.dumps({"data": {"repository": {}}})), "another form", id="no commits"
        ),
    ],
)
def test_what_is_no_answer_is_no_health(
    forge: GitHub, answer: tuple[int, dict[str, str], str], message: str
) -> None:
    forge.statuses[brought()] = [status()]
    forge.raw = answer
    said = refusal()
    assert "found unknown (could not read commit statuses: " in said
    assert message in said


def test_an_answer_that_does_not_come_is_waited_for_a_limited_time(
    forge: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_statuses, "TIMEOUT_SECONDS", 0.2)
    forge.release = threading.Event()
    said = refusal()
    assert "does not answer" in said
    assert "timed out" in said


def test_without_a_token_it_says_how_to_get_one(
    forge: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    said = refusal()
    assert "no token to ask GitHub with" in said
    assert "statuses: read" in said
    assert not forge.asked


def test_the_token_of_the_workflow_reads_where_a_bot_writes(
    forge: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GH_TOKEN", "of the bot")
    forge.statuses[brought()] = [status()]
    assert "no problems" in run(*CHECK)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Some-Owner/models",
        "https://x-access-token:secret@github.com/Some-Owner/models.git",
        "ssh://git@github.com:22/Some-Owner/models.git/",
        "github:Some-Owner/models.git",
    ],
)
def test_the_remote_names_the_repository(forge: GitHub, url: str) -> None:
    git("remote", "set-url", "origin", url)
    forge.statuses[brought()] = [status()]
    assert "no problems" in run(*CHECK)


def test_a_remote_without_owner_and_name_is_said(forge: GitHub) -> None:
    git("remote", "set-url", "origin", "models")
    assert "the remote 'origin' has no owner and name" in refusal()
    assert not forge.asked


def test_an_emergency_needs_no_forge(
    target: Path, forge: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    overrides = 'ml-production\n    overrides: {rules: [health], approvers: ["@you"]}\n'
    require(target, ENVIRONMENTS.replace("ml-production\n", overrides))
    git("switch", "--quiet", "main")
    git("update-ref", "refs/remotes/origin/main", "main")
    assert "--override health --reason '...'" in refusal(*PROMOTE)
    output = run(*PROMOTE, "--override", "health", "--reason", "GitHub is down")
    assert "1.1.0 in staging: unknown, " in output


def test_a_cluster_that_answers_is_nearer(
    target: Path, forge: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("switch", "--quiet", "main")
    git("update-ref", "refs/remotes/origin/main", "main")
    kubectl.install(
        tmp_path / "bin",
        monkeypatch,
        [kubectl.application("staging-iris", image=IMAGE)],
        rolled_out=ago(75),
        digest=DIGEST_B,
    )
    run("promote", "iris", "--to", "production", "--dry-run")
    assert not forge.asked


def test_automatic_promotion_goes_by_it(target: Path, forge: GitHub) -> None:
    rules = "ml-production\n    cluster: in-cluster\n    promotion: "
    automatic = ENVIRONMENTS.replace(f"{rules}pull-request", f"{rules}automatic")
    require(target, automatic)
    git("switch", "--quiet", "main")
    git("update-ref", "refs/remotes/origin/main", "main")
    words = ("auto-promote", "--no-live", "--dry-run")
    assert "not ready: production/iris: 'iris' in 'staging': expected health Healthy" in run(*words)
    forge.statuses[brought()] = [status()]
    assert "not ready" not in run(*words)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("github-actions[bot]", "any workflow can write statuses"),
        ("GitHub-Actions[bot]", "any workflow can write statuses"),
        ("", "healthReporter"),
        ("@argocd", "healthReporter"),
        ("two words", "healthReporter"),
    ],
)
def test_who_reports_is_an_account_that_no_workflow_has(
    target: Path, value: str, message: str
) -> None:
    (target / RULES).write_text(f'{ENVIRONMENTS}healthReporter: "{value}"\n')
    with pytest.raises(ModelctlError, match=message):
        run("check")
