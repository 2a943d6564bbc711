"""What the workflows do at each event, run by `act`: the plan of images, and who may start what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.github.forge import OUTPUTS, Forge

ZEROS = "0" * 40
NASTY = 'it\'s $(touch pwned) `touch pwned` "x" ; touch pwned'
BUNDLE_INPUTS = (
    "requirements=serve\nbundle=build/bundles/iris\nversion=1.0.0+b5\ntag=1.0.0_b5-abc\n"
)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge.make(tmp_path)


def plan(forge: Forge, before: str) -> list[str]:
    event = {"ref": "refs/heads/main", "before": before}
    run = forge.run("push", "image.yml", event, job="plan")
    assert run.jobs == {"plan": "success"}, run.log
    models: list[str] = json.loads(run.outputs["models"])
    return models


@pytest.mark.parametrize("before", [ZEROS, "1234567890" * 4], ids=["first push", "force push"])
def test_a_push_without_a_commit_before_it_builds_every_model(forge: Forge, before: str) -> None:
    assert plan(forge, before) == ["churn", "iris"]


def test_a_push_builds_the_models_it_changes_however_many_commits_it_has(forge: Forge) -> None:
    before = forge.git("rev-parse", "HEAD")
    forge.commit("iris", **{"models/iris/train.py": "y\n"})
    forge.commit("docs", **{"README.md": "y\n"})
    assert plan(forge, before) == ["iris"]


def test_a_push_of_more_files_than_a_path_filter_reads_still_builds(forge: Forge) -> None:
    before = forge.git("rev-parse", "HEAD")
    files = {f"docs/{number}.md": "x\n" for number in range(310)}
    forge.commit("many", **files, **{"models/iris/train.py": "y\n"})
    assert plan(forge, before) == ["iris"]


def test_a_bump_builds_nothing(forge: Forge) -> None:
    """So there is no loop; nothing is skipped over the plan."""
    before = forge.git("rev-parse", "HEAD")
    forge.commit("bump", **{"environments/dev/iris/version.yaml": "x\n"})
    run = forge.push("image.yml", before)
    assert run.jobs == {"plan": "success"}, run.log


def test_a_plan_that_fails_builds_nothing_and_tells(forge: Forge) -> None:
    """Without its answer there is no list of models: `fromJSON('')` is an error of its own."""
    forge.failing = ["changed-models"]
    run = forge.push("image.yml", ZEROS)
    assert run.jobs.pop("plan") == "failure"
    assert set(run.jobs) <= {"post"}
    assert "fromJSON" not in run.log
    assert run.words("gh") == []


@pytest.mark.parametrize(
    ("asked", "models"),
    [("iris", ["iris"]), ("iris churn", ["churn", "iris"]), ("", ["churn", "iris"])],
)
def test_a_dispatch_builds_the_named_models(forge: Forge, asked: str, models: list[str]) -> None:
    event = {"ref": "refs/heads/main", "inputs": {"models": asked}}
    run = forge.run("workflow_dispatch", "image.yml", event, job="plan")
    assert json.loads(run.outputs["models"]) == models


@pytest.mark.parametrize("asked", ["flower", NASTY, "$(shell touch pwned)", '["iris"]'])
def test_a_dispatch_of_what_is_no_model_builds_nothing(forge: Forge, asked: str) -> None:
    run = forge.dispatch("image.yml", models=asked)
    assert run.jobs["plan"] == "failure"
    assert not [call for call in run.words("make") if "bundles" in call]
    assert run.words("touch") == []


WORKFLOWS = {
    "image.yml": {"models": "iris"},
    "promote.yml": {"model": "iris", "environment": "staging"},
    "rollback.yml": {"model": "iris", "environment": "staging", "reason": "slow"},
    "freeze.yml": {"environment": "staging", "until": "2026-12-24", "reason": "inventory"},
    "retire.yml": {"model": "iris", "environment": "production"},
}


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_dispatch_from_another_branch_runs_nothing(forge: Forge, workflow: str) -> None:
    """It would run the workflow file and the code of that branch, which nobody reviewed."""
    run = forge.dispatch(workflow, ref="refs/heads/mine", **WORKFLOWS[workflow])
    assert run.jobs == {}
    assert run.calls == ()


@pytest.mark.parametrize(
    ("workflow", "inputs", "arguments"),
    [
        (
            "promote.yml",
            {"model": "iris", "environment": "staging"},
            ["promote", "iris", "--to", "staging", "--pull-request", "--no-live"],
        ),
        (
            "rollback.yml",
            {"model": "iris", "environment": "staging", "reason": NASTY},
            ["rollback", "iris", "--env", "staging", "--reason", NASTY, "--pull-request"],
        ),
        (
            "rollback.yml",
            {
                "model": "iris",
                "environment": "staging",
                "reason": "slow",
                "version": "1.0.0+b5",
                "break_freeze": "true",
            },
            [
                *("rollback", "iris", "--env", "staging", "--reason", "slow", "--pull-request"),
                *("--to", "1.0.0+b5", "--break-freeze"),
            ],
        ),
        (
            "freeze.yml",
            {"environment": "production", "until": "2026-12-24", "reason": NASTY},
            [
                *("freeze", "production", "--until", "2026-12-24", "--reason", NASTY),
                "--pull-request",
            ],
        ),
        (
            "freeze.yml",
            {"environment": "dev", "model": "iris", "until": "2026-12-24", "reason": "audit"},
            ["freeze", "dev/iris", "--until", "2026-12-24", "--reason", "audit", "--pull-request"],
        ),
        (
            "retire.yml",
            {"model": "iris", "environment": "production"},
            ["retire", "iris", "--env", "production", "--pull-request", "--no-live"],
        ),
        (
            "retire.yml",
            {"model": "iris", "environment": "dev", "files": "true"},
            ["retire", "iris", "--env", "dev", "--pull-request", "--no-live", "--files"],
        ),
    ],
)
def test_a_dispatch_runs_one_command_with_the_bots_token(
    forge: Forge, workflow: str, inputs: dict[str, str], arguments: list[str]
) -> None:
    run = forge.dispatch(workflow, **inputs)
    assert list(run.jobs.values()) == ["success"], run.log
    call = run.one("modelctl")
    assert list(call.arguments) == arguments
    assert call.environ["GH_TOKEN"] == OUTPUTS["actions/create-github-app-token"]["token"]
    assert run.words("touch") == []


@pytest.fixture
def image(forge: Forge) -> Forge:
    """A build of iris that succeeds, as far as programs answer."""
    forge.answers = {"build-inputs": BUNDLE_INPUTS, "gh pr list": "7\n"}
    forge.write("modelctl/supply/inventory.py", "")
    forge.write("build/bundles/iris/manifest.json", "{}")
    return forge


@pytest.mark.parametrize(
    ("variables", "secrets", "repository", "login"),
    [
        (
            {},
            {},
            "ghcr.io/some-owner/models/iris",
            ("ghcr.io", "nektos/act", "workflow-token"),
        ),
        (
            {"IMAGE_REPOSITORY": "registry.example:5000/ML", "REGISTRY_USERNAME": "robot"},
            {"REGISTRY_PASSWORD": "secret"},
            "registry.example:5000/ml/iris",
            ("registry.example:5000", "robot", "secret"),
        ),
        (
            {"IMAGE_REPOSITORY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/models"},
            {},
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/models/iris",
            # Never the workflow's token: it would tell GitHub's secret to a stranger.
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "nektos/act", ""),
        ),
    ],
    ids=["ghcr.io, capitals", "another, with a port", "another, without a password"],
)
def test_an_image_goes_to_the_registry_of_the_variables(
    image: Forge,
    variables: dict[str, str],
    secrets: dict[str, str],
    repository: str,
    login: tuple[str, str, str],
) -> None:
    image.variables = variables
    image.secrets |= secrets
    run = image.dispatch("image.yml", models="iris")
    assert set(run.jobs.values()) == {"success"}, run.log
    inputs = run.one("docker/login-action").environ
    assert (inputs["registry"], inputs["username"], inputs["password"]) == login
    pushed = [
        call.environ
        for call in run.calls
        if call.program == "docker/build-push-action" and "push=true" in call.environ["outputs"]
    ]
    assert [each["tags"] for each in pushed] == [f"{repository}:1.0.0_b5-abc"]
    reference = f"{repository}@sha256:{'d' * 64}"
    (signed,) = [words for words in run.words("make") if "sign attest" in words]
    assert f"IMAGE={reference}" in signed
    (verified,) = [words for words in run.words("make") if "verify-signature" in words]
    assert f"IMAGE={reference}" in verified
    # Of main alone, not of a branch `main-2`; make reads the two signs as one.
    assert verified.endswith(r"/\.github/workflows/model-image\.yml@refs/heads/main$$")
    bumped = run.one("modelctl bump").arguments
    assert bumped[bumped.index("--image") + 1] == f"{repository}:1.0.0_b5-abc@sha256:{'d' * 64}"
    assert run.one("gh pr merge").arguments[2:] == ("7", "--auto", "--squash")


def test_a_build_that_dev_has_already_needs_no_request(image: Forge) -> None:
    image.answers["gh pr list"] = ""
    run = image.dispatch("image.yml", models="iris")
    assert set(run.jobs.values()) == {"success"}, run.log
    assert not [words for words in run.words("gh") if words.startswith("pr merge")]


def test_a_bump_fails_when_the_forge_does_not_answer(image: Forge) -> None:
    """`pipefail`: the failure of the first program of a pipe counts."""
    image.failing = ["gh pr list"]
    run = image.dispatch("image.yml", models="iris")
    assert run.jobs["bump"] == "failure"


@pytest.fixture
def chart(forge: Forge) -> Forge:
    forge.answers = {"package-chart": "", "release-notes": "notes\n"}
    forge.write("build/charts/ml-model-0.2.0.tgz", "")
    forge.write("build/charts/pushed", "sha256:" + "e" * 64)
    forge.git("update-ref", "refs/remotes/origin/main", "HEAD")
    return forge


def release(forge: Forge, tag: str) -> tuple[str, list[str]]:
    """The result of the job for a tag on HEAD, and the calls that write somewhere."""
    forge.git("tag", tag)
    run = forge.run("push", "release.yml", {"ref": f"refs/tags/{tag}"})
    writes = ("make push-chart", "make sign", "gh release")
    return run.jobs["chart"], [str(call) for call in run.calls if str(call).startswith(writes)]


def test_a_tag_of_main_releases_the_chart(chart: Forge) -> None:
    result, writes = release(chart, "chart-0.2.0")
    assert result == "success"
    assert writes[:2] == [
        "make push-chart REGISTRY=ghcr.io/some-owner/models/charts",
        f"make sign IMAGE=ghcr.io/some-owner/models/charts/ml-model@sha256:{'e' * 64}",
    ]
    assert writes[2].startswith("gh release create chart-0.2.0 ")


def test_a_tag_of_an_unreviewed_commit_releases_nothing(chart: Forge) -> None:
    chart.git("switch", "--quiet", "--create", "mine")
    chart.commit("mine", **{"charts/ml-model/values.yaml": "x\n"})
    assert release(chart, "chart-0.2.0") == ("failure", [])


def test_a_tag_of_another_version_than_the_charts_releases_nothing(chart: Forge) -> None:
    assert release(chart, "chart-0.3.0") == ("failure", [])
