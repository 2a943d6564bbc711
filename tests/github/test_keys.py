"""Who sees a secret and which runs wait for each other: read from the workflows.

What the forge has to be told beside them is in docs/how-to/release.md.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.github.test_workflows import FILES, each, jobs, read
from tests.paths import ROOT

MAIN = "github.ref == 'refs/heads/main'"
TAGS = json.loads((ROOT / ".github/rulesets/chart-tags.json").read_text())
SECRET = re.compile(r"secrets\.(\w+)")
# A URL that only takes messages; everything else may write somewhere.
HARMLESS = {"NOTIFY_WEBHOOK", "webhook"}
# Every job that sees a key -> the environment whose rules stand before it. The bot's: `main` only.
# `registry`: `main` only. `release`: tags `chart-*` only. `<environment>`: reviewers too.
KEYS = {
    ("auto-promote", "promote", "BOT_PRIVATE_KEY"): "bot",
    ("freeze", "freeze", "BOT_PRIVATE_KEY"): "bot",
    ("image", "bump", "BOT_PRIVATE_KEY"): "bot",
    ("model-image", "image", "REGISTRY_PASSWORD"): "registry",
    ("promote", "promote", "BOT_PRIVATE_KEY"): "${{ inputs.environment }}",
    ("propose-trained", "propose", "BOT_PRIVATE_KEY"): "bot",
    ("propose-trained", "propose", "TRAININGS_AWS_ACCESS_KEY_ID"): "bot",
    ("propose-trained", "propose", "TRAININGS_AWS_SECRET_ACCESS_KEY"): "bot",
    ("propose-trained", "propose", "TRAININGS_AZURE_ACCOUNT_KEY"): "bot",
    ("propose-trained", "propose", "TRAININGS_GOOGLE_SERVICE_ACCOUNT_KEY"): "bot",
    ("release", "chart", "REGISTRY_PASSWORD"): "release",
    ("retire", "retire", "BOT_PRIVATE_KEY"): "${{ inputs.environment }}",
    ("rollback", "rollback", "BOT_PRIVATE_KEY"): "bot",
    ("trainer-image", "trainer", "REGISTRY_PASSWORD"): "registry",
}


def secrets_of(job: dict[str, Any]) -> set[str]:
    """The secrets that the steps of a job see; one that only calls a workflow runs no step."""
    return set() if "uses" in job else set(SECRET.findall(json.dumps(job))) - HARMLESS


def with_key() -> list[tuple[str, str]]:
    """The workflow and job of every entry of KEYS that has the bot's key."""
    return [(workflow, job) for workflow, job, key in KEYS if key == "BOT_PRIVATE_KEY"]


def job_of(workflow: str, name: str) -> dict[str, Any]:
    return jobs(ROOT / f".github/workflows/{workflow}.yml")[name]


@each
def test_every_job_with_a_key_is_known_and_in_its_environment(path: Path) -> None:
    found = {
        (path.stem, name, secret): job.get("environment")
        for name, job in jobs(path).items()
        for secret in secrets_of(job)
    }
    assert found.items() <= KEYS.items()


def test_every_known_key_is_still_used() -> None:
    for workflow, job, secret in KEYS:
        assert secret in secrets_of(job_of(workflow, job)), (workflow, job)


@each
def test_no_key_reaches_a_whole_workflow(path: Path) -> None:
    content = read(path)
    assert not SECRET.search(json.dumps(content.get("env", {})))
    assert "inherit" not in [job.get("secrets") for job in jobs(path).values()]


@pytest.mark.parametrize(("workflow", "name"), with_key())
def test_a_job_with_the_bots_key_runs_the_code_of_main_alone(workflow: str, name: str) -> None:
    """A dispatch may name any branch, and then it runs that branch's workflow file and code.

    A schedule runs the default branch alone.
    """
    job = job_of(workflow, name)
    checkouts = [step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]
    assert [step["with"]["ref"] for step in checkouts] == ["main"]
    events = read(ROOT / f".github/workflows/{workflow}.yml")["on"]
    assert set(events) <= {"push", "schedule", "workflow_dispatch"}
    assert events.get("push", {}).get("branches", ["main"]) == ["main"]
    needed = [job_of(workflow, each) for each in job.get("needs", [])]
    assert MAIN in [each.get("if") for each in (job, *needed)]


@pytest.mark.parametrize(("workflow", "name"), with_key())
def test_the_key_is_read_after_all_code_is_installed(workflow: str, name: str) -> None:
    """What an installation runs has not been reviewed here."""
    steps = job_of(workflow, name)["steps"]
    keys = [number for number, step in enumerate(steps) if SECRET.search(json.dumps(step))]
    installs = [n for n, step in enumerate(steps) if step.get("run", "").startswith("make venv")]
    assert installs
    assert max(installs) < min(keys)


def test_the_workflows_own_token_reaches_no_other_registry() -> None:
    logins = [
        step["with"]["password"]
        for path in FILES
        for job in jobs(path).values()
        for step in job.get("steps", [])
        if "docker/login-action@" in step.get("uses", "")
    ]
    assert len(logins) == 3
    for password in logins:
        assert "host == 'ghcr.io' && github.token" in password


def groups() -> dict[str, dict[str, str]]:
    """Every concurrency group by its place."""
    found = {}
    for path in FILES:
        found[path.stem] = read(path)["concurrency"]
        for name, job in jobs(path).items():
            if "concurrency" in job:
                found[f"{path.stem}.{name}"] = job["concurrency"]
    return found


@pytest.mark.parametrize("place", groups())
def test_no_run_is_dropped_for_a_later_one(place: str) -> None:
    """GitHub keeps one waiting run of a group, unless the group queues or is the run's own."""
    group = groups()[place]
    own = "github.run_id" in group["group"] or place in ("ci", "judge", "release")
    assert own or group.get("queue") == "max"
    # Of one pull request only the newest commit counts.
    if place not in ("ci", "judge"):
        assert group["cancel-in-progress"] == "false"


def test_only_a_pull_request_replaces_its_own_run() -> None:
    group = groups()["ci"]
    assert group["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert "github.event_name == 'push' && github.sha" in group["group"]


@each
def test_a_failure_in_a_pipe_is_a_failure(path: Path) -> None:
    """`bash` by name has `pipefail`; the default has not."""
    assert read(path)["defaults"] == {"run": {"shell": "bash"}}


@each
def test_no_filter_by_paths_decides_what_runs(path: Path) -> None:
    """GitHub compares the first 300 files of a push, and a workflow left out reports no check."""
    events = read(path)["on"]
    assert not re.search(r'"paths(-ignore)?":', json.dumps(events))


def test_only_administrators_set_a_chart_tag_and_nobody_else_moves_one() -> None:
    """As GitHub's REST API takes it: https://docs.github.com/rest/repos/rules."""
    assert (TAGS["target"], TAGS["enforcement"]) == ("tag", "active")
    assert TAGS["conditions"]["ref_name"] == {"include": ["refs/tags/chart-*"], "exclude": []}
    assert {rule["type"] for rule in TAGS["rules"]} == {"creation", "update", "deletion"}
    administrators = {"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}
    assert TAGS["bypass_actors"] == [administrators]
    (pattern,) = read(ROOT / ".github/workflows/release.yml")["on"]["push"]["tags"]
    assert [f"refs/tags/{pattern}"] == TAGS["conditions"]["ref_name"]["include"]


# What a test file says that reads the releases of this repository.
READS = re.compile(
    r"rendering\.(releases|environments\(\)|ENVIRONMENTS)|Repository\.find\(ROOT\)"
    r"|ROOT / \"environments"
)


def test_a_release_waits_for_every_test_that_reads_it() -> None:
    """`make test-environments` has the one list; end-to-end tests need a sandbox."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (names,) = re.findall(r"^RELEASE_TESTS := (.*)$", makefile, re.MULTILINE)
    listed = tuple(names.split())
    assert [name for name in listed if not (ROOT / name).exists()] == []
    readers = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if READS.search(path.read_text()) and path != Path(__file__)
    ]
    rest = [
        name
        for name in readers
        if not name.startswith((*listed, "tests/e2e/")) and name not in listed
    ]
    assert rest == []
