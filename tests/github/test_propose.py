"""The workflow that proposes what was trained: each training of `trainings` once, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.github.forge import OUTPUTS, Forge, Run

BOT = OUTPUTS["actions/create-github-app-token"]["token"]
ENVIRONMENTS = """\
environments:
  - name: dev
    namespace: ml-dev
    cluster: in-cluster
    promotion: auto
"""
TRAININGS = """\
    trainings:
      churn: gs://bundles/of/models
      iris: s3://bundles/models
"""


def configured(folder: Path, trainings: str) -> Forge:
    """A checkout with those trainings."""
    forge = Forge.make(folder)
    settings = {f"environments/dev/{name}/settings.yaml": "{}\n" for name in ("churn", "iris")}
    forge.commit(
        "set up", **settings, **{"environments/environments.yaml": ENVIRONMENTS + trainings}
    )
    return forge


def scheduled(forge: Forge) -> Run:
    return forge.run("schedule", "propose-trained.yml", {"ref": "refs/heads/main"})


def bumps(run: Run) -> list[str]:
    return sorted(words for words in run.words("modelctl"))


def test_each_training_is_proposed_by_one_command(tmp_path: Path) -> None:
    run = scheduled(configured(tmp_path, TRAININGS))
    assert set(run.jobs.values()) == {"success"}, run.log
    assert bumps(run) == [
        "bump churn --env dev --from gs://bundles/of/models --pull-request",
        "bump iris --env dev --from s3://bundles/models --pull-request",
    ]
    assert {call.environ["GH_TOKEN"] for call in run.calls if call.program == "modelctl"} == {BOT}


def test_without_trainings_it_does_nothing_and_says_so(tmp_path: Path) -> None:
    run = scheduled(configured(tmp_path, ""))
    assert run.jobs == {"plan": "success"}, run.log
    assert "nothing to propose: no environment" in run.log
    assert [words.split()[-1] for words in run.words("make")] == ["venv", "planned-trainings"]


def test_a_training_of_nobodys_model_fails_and_proposes_nothing(tmp_path: Path) -> None:
    run = scheduled(configured(tmp_path, "    trainings: {flower: 's3://bundles/models'}\n"))
    assert run.jobs["plan"] == "failure"
    assert "dev/flower" in run.log
    assert run.words("modelctl") == []


def test_one_bucket_that_does_not_answer_stops_no_other(tmp_path: Path) -> None:
    forge = configured(tmp_path, TRAININGS)
    forge.failing = ["bump churn"]
    assert [words.split()[1] for words in bumps(scheduled(forge))] == ["churn", "iris"]


def test_a_dispatch_from_another_branch_proposes_nothing(tmp_path: Path) -> None:
    """Its files would say from where."""
    run = configured(tmp_path, TRAININGS).dispatch("propose-trained.yml", ref="refs/heads/mine")
    assert (run.jobs, run.calls) == ({}, ())


@pytest.mark.parametrize(
    ("variables", "secrets", "expected"),
    [
        ({"TRAININGS_AWS_ROLE": "arn:role"}, {}, ("arn:role", "")),
        ({}, {"TRAININGS_AWS_ACCESS_KEY_ID": "key"}, ("", "key")),
    ],
    ids=["a role", "keys"],
)
def test_a_bucket_of_aws_is_read_with_a_role_or_with_keys(
    variables: dict[str, str],
    secrets: dict[str, str],
    expected: tuple[str, str],
    tmp_path: Path,
) -> None:
    forge = configured(tmp_path, "    trainings: {iris: 's3://bundles/models'}\n")
    forge.variables = {"TRAININGS_AWS_REGION": "eu-west-1", **variables}
    forge.secrets |= secrets
    run = scheduled(forge)
    inputs = run.one("aws-actions/configure-aws-credentials").environ
    assert inputs["aws-region"] == "eu-west-1"
    assert (inputs["role-to-assume"], inputs["aws-access-key-id"]) == expected
    # Read once all code is installed, and by no code but ours.
    programs = [call.program for call in run.calls]
    assert programs.index("aws-actions/configure-aws-credentials") > programs.index("make")


def test_other_stores_take_their_own_variables(tmp_path: Path) -> None:
    forge = configured(tmp_path, "    trainings: {iris: 'az://bundles/models'}\n")
    forge.variables = {"TRAININGS_AZURE_ACCOUNT": "ours"}
    forge.secrets |= {"TRAININGS_AZURE_ACCOUNT_KEY": "secret"}
    run = scheduled(forge)
    assert not [call for call in run.calls if call.program.startswith("aws-actions")]
    environ = run.one("modelctl bump").environ
    assert environ["AZURE_STORAGE_ACCOUNT_NAME"] == "ours"
    assert environ["AZURE_STORAGE_ACCOUNT_KEY"] == "secret"
