"""The image that trains, by the workflows: built for the commits that change it, signed, pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.github.forge import Forge, Run

ZEROS = "0" * 40
INPUTS = "requirements=train\ntarget=trainer\ntag=abc\n"


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    """A repository whose models are not built; what builds and tests answers."""
    forge = Forge.make(tmp_path)
    forge.answers = {"trainer-inputs": INPUTS, "changed-models": "[]\n"}
    forge.write("modelctl/supply/inventory.py", "")
    forge.write("build/trainer/origins.json", "{}")
    return forge


def pushed(forge: Forge, name: str) -> Run:
    """What a push of a change of that file does."""
    forge.commit("start")
    before = forge.git("rev-parse", "HEAD")
    forge.commit("change", **{name: "changed\n"})
    return forge.push("image.yml", before)


@pytest.mark.parametrize(
    "name", ["models/iris/train.py", "requirements/train.txt", "modelctl/commands/train.py"]
)
def test_a_push_of_what_is_in_it_builds_and_signs_it(forge: Forge, name: str) -> None:
    run = pushed(forge, name)
    assert run.jobs == {"plan": "success", "trainer": "success"}, run.log
    repository = "ghcr.io/some-owner/models/model_trainer"
    images = [call.environ for call in run.calls if call.program == "docker/build-push-action"]
    assert {each["target"] for each in images} == {"trainer"}
    assert [each["tags"] for each in images] == ["candidate:model_trainer", f"{repository}:abc"]
    for each in images:
        assert "REQUIREMENTS=train" in each["build-args"].splitlines()
    (signed,) = [words for words in run.words("make") if "sign attest" in words]
    assert "sbom provenance" in signed
    assert "MODEL=model_trainer" in signed
    assert f"IMAGE={repository}@sha256:{'d' * 64}" in signed
    (verified,) = [words for words in run.words("make") if "verify-signature" in words]
    assert verified.endswith(r"/\.github/workflows/trainer-image\.yml@refs/heads/main$$")
    made = [words.split()[0] for words in run.words("make")]
    # Nothing is pushed that did not train, or that is known to be vulnerable.
    assert made.index("test-trainer") < made.index("scan") < made.index("sbom")


@pytest.mark.parametrize("failing", ["test-trainer", "make scan"])
def test_one_that_does_not_train_is_not_pushed(forge: Forge, failing: str) -> None:
    forge.failing = [failing]
    run = pushed(forge, "models/iris/train.py")
    assert run.jobs["trainer"] == "failure"
    actions = [call.environ for call in run.calls if call.program == "docker/build-push-action"]
    assert [each["outputs"] for each in actions if each["outputs"]] == []
    assert not [words for words in run.words("make") if "sign" in words]


@pytest.mark.parametrize("name", ["environments/dev/iris/version.yaml", "README.md"])
def test_a_push_of_anything_else_does_not(forge: Forge, name: str) -> None:
    run = pushed(forge, name)
    assert run.jobs == {"plan": "success"}, run.log


@pytest.mark.parametrize(("named", "is_built"), [("iris", False), ("", True)])
def test_a_dispatch_that_names_models_builds_those_alone(
    forge: Forge, named: str, is_built: bool
) -> None:
    event = {"ref": "refs/heads/main", "inputs": {"models": named}}
    run = forge.run("workflow_dispatch", "image.yml", event)
    assert ("trainer" in run.jobs) == is_built, run.log


def test_a_push_without_a_commit_before_it_builds_it(forge: Forge) -> None:
    assert forge.push("image.yml", ZEROS).jobs["trainer"] == "success"
