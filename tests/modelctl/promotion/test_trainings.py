"""`trainings` of environments.yaml: where results are looked for, checked before anybody looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.promotion import trainings
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS

HERE = "    promotion: auto\n"


def configure(root: Path, text: str, after: str = HERE) -> None:
    """Write `trainings` into the entry of an environment."""
    path = root / "environments/environments.yaml"
    path.write_text(ENVIRONMENTS.replace(after, f"{after}    trainings: {text}\n", 1))


def test_a_workflow_reads_a_list(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(released, "{iris: 's3://bundles/of/models'}")
    assert trainings.main() == 0
    assert json.loads(capsys.readouterr().out) == [
        {"environment": "dev", "model": "iris", "url": "s3://bundles/of/models"}
    ]


def test_without_any_it_says_so(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trainings.main() == 0
    said = capsys.readouterr()
    assert said.out == "[]\n"
    assert said.err.startswith("nothing to propose: no environment in environments/")


def test_a_model_that_is_not_set_up_is_named(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(released, "{flower: 's3://bundles/models', iris: 's3://bundles/models'}")
    assert trainings.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "dev/flower" in said.err
    assert "iris" not in said.err


@pytest.mark.parametrize(
    "url",
    [
        "file:///bundles",
        "build/trained",
        "http://store.example/bundles",
        "s3://user:secret@bundles/models",
        "s3://bundles/models?token=1",
        "s3://bundles/$(id)",
        "s3://",
        "s3://bundles/models/",
    ],
)
def test_what_is_no_url_of_a_bucket_is_refused(released: Path, url: str) -> None:
    configure(released, f"{{iris: '{url}'}}")
    with pytest.raises(ModelctlError, match="trainings"):
        Repository.find(released)


def test_where_versions_are_promoted_to_nothing_is_proposed(released: Path) -> None:
    configure(released, "{iris: 's3://bundles/models'}", "    promotion: pull-request\n")
    with pytest.raises(ModelctlError, match="takes new builds"):
        Repository.find(released)
