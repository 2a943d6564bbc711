"""The image that trains: what builds it anew, and what it knows of the commits of its models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.packaging import origins
from modelctl.supply import builds, trainer
from tests.modelctl.supply.test_builds import edit, git, head, sources
from tests.paths import ROOT

__all__ = ["sources"]


@pytest.mark.parametrize(
    ("name", "is_built"),
    [
        ("models/iris/train.py", True),
        # Judges a training, and is in no model's own image.
        ("models/iris/baseline.yaml", True),
        ("models/common/steps.py", True),
        ("app/consume/tally.py", True),
        ("modelctl/training/steps.py", True),
        ("requirements/train.txt", True),
        ("requirements/uv.txt", True),
        (".dockerignore", True),
        ("requirements/serve.txt", False),
        # A freeze, a promotion.
        ("environments/environments.yaml", False),
        ("environments/dev/iris/version.yaml", False),
        ("docs/how-to/train.md", False),
    ],
)
def test_what_is_in_it_builds_it(sources: Path, name: str, is_built: bool) -> None:
    base = head(sources)
    edit(sources, name)
    assert builds.is_trainer_planned(sources, base, "") is is_built


@pytest.mark.parametrize(
    ("since", "only", "said"), [("0" * 40, "", "true\n"), ("", "iris", "false\n")]
)
def test_a_workflow_reads_one_word(
    sources: Path, since: str, only: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.main(["changed-trainer", "--since", since, "--only", only]) == 0
    assert capsys.readouterr().out == said


def test_all_that_it_is_made_of_is_watched() -> None:
    """What the Dockerfile copies in the stages that it has."""
    text = (ROOT / "Dockerfile").read_text()
    mine = [
        part
        for part in text.split("\nFROM ")
        if re.match(r"\S+ AS (installer|builder|base|trainer)", part)
    ]
    copied = {
        name for part in mine for name in re.findall(r"^COPY (?!--)(\S+) ", part, re.MULTILINE)
    }
    copied = {name.replace("${REQUIREMENTS}", trainer.REQUIREMENTS) for name in copied}
    # Made of the commits below models/.
    copied.remove(trainer.ORIGINS.as_posix())
    assert copied == set(trainer.INPUTS) - {"Dockerfile", ".dockerignore"}
    assert f" AS {trainer.TARGET}\n" in text


def test_each_model_has_the_last_commit_of_its_folder(
    sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sources, "models/iris/train.py")
    iris = head(sources)
    edit(sources, "models/churn/train.py")
    churn = head(sources)
    edit(sources, "README.md")
    # The quality files change no model, and no digest.
    edit(sources, "models/iris/baseline.yaml")
    (sources / "models/churn/train.py").write_text("not committed\n")
    assert builds.main(["trainer"]) == 0
    assert f"commit={head(sources)}\n" in capsys.readouterr().out
    found = json.loads((sources / "build/trainer/origins.json").read_text())
    assert {model: entry["commit"] for model, entry in found.items()} == {
        "churn": f"{churn}-dirty",
        "iris": iris,
    }


def test_where_there_is_no_git_a_model_has_the_commit_that_is_recorded(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iris = sources / "models/iris"
    expected = origins.origin(iris)
    record = trainer.write_origins(sources, trainer.origins(sources))
    (tmp_path / "elsewhere/models/iris").mkdir(parents=True)
    monkeypatch.setenv("MODEL_ORIGINS", str(record))
    assert origins.origin(tmp_path / "elsewhere/models/iris") == expected
    assert origins.origin(tmp_path / "elsewhere/models") == (None, None)
    # A checkout knows better, and a time that is asked for stays.
    edit(sources, "models/iris/train.py")
    assert origins.origin(iris)[0] == head(sources)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    found = origins.origin(tmp_path / "elsewhere/models/iris")
    assert found == (expected[0], "1970-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["[]", "{", '{"iris": {}}', '{"iris": 1}', None])
def test_a_record_that_is_none_is_an_error(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "origins.json"
    if text is not None:
        record.write_text(text)
    monkeypatch.setenv("MODEL_ORIGINS", str(record))
    with pytest.raises(ModelctlError, match=r"(?s)does not say where.*make trainer-image"):
        origins.origin(tmp_path / "iris")


def test_a_shallow_clone_does_not_know_the_commits(sources: Path, tmp_path: Path) -> None:
    edit(sources, "README.md")
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", sources.as_uri(), str(clone))
    with pytest.raises(ModelctlError, match="shallow"):
        trainer.origins(clone)
