"""The required checks, run by `act`: which tests a change waits for, at every event.

A release (version files and freezes) waits for minutes, everything else for all tests, and nothing
that a change brings along can make it look like a release.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.github.forge import Forge, Run

VERSION = "environments/staging/iris/version.yaml"
FREEZE = "environments/environments.yaml"
JOBS = ("test", "security", "container")
RELEASE, EVERYTHING = "release", "everything"
ZEROS = "0" * 40


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    forge = Forge.make(tmp_path)
    forge.commit("released", **{VERSION: "1\n", FREEZE: "x\n", "notes.yaml": "x\n"})
    return forge


def scope(run: Run) -> str:
    """What the job `test` runs."""
    assert run.jobs == {"test": "success"}, run.log
    (call,) = run.words("make")
    return {"test-fast": EVERYTHING, "test-environments": RELEASE}[call]


def merge(forge: Forge, **files: str) -> None:
    """HEAD becomes the merge commit of a pull request that writes these files."""
    forge.git("switch", "--quiet", "--create", "change")
    forge.commit("change", **files)
    forge.git("switch", "--quiet", "main")
    forge.git("merge", "--quiet", "--no-ff", "change")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({VERSION: "2\n"}, RELEASE),
        ({VERSION: "2\n", FREEZE: "y\n"}, RELEASE),
        ({"environments/dev/iris/capacity.yaml": "y\n"}, RELEASE),
        ({VERSION: "2\n", "app/routes.py": "y\n"}, EVERYTHING),
        ({VERSION: "2\n", "environments/environments.schema.json": "{}\n"}, EVERYTHING),
        ({VERSION: "2\n", "environments/dev/iris/deep/values.yaml": "y\n"}, EVERYTHING),
        ({VERSION: "2\n", "environments/dev/iris/run.sh": "y\n"}, EVERYTHING),
        ({VERSION: "2\n", "environments.yaml": "y\n"}, EVERYTHING),
        ({VERSION: "2\n", "docs/environments/dev/iris/version.yaml": "y\n"}, EVERYTHING),
        # Attributes and settings of git that hide a difference hide none here.
        ({VERSION: "2\n", "app/routes.py": "y\n", ".gitattributes": "* -diff\n"}, EVERYTHING),
        ({VERSION: "2\n", "Makefile": "test-fast:\n"}, EVERYTHING),
        ({VERSION: "2\n", "dé ü.txt": "y\n"}, EVERYTHING),
    ],
    ids=str,
)
def test_a_pull_request_waits_for_what_it_can_break(
    forge: Forge, files: dict[str, str], expected: str
) -> None:
    merge(forge, **files)
    assert scope(forge.pull_request("test")) == expected


def test_a_file_that_moves_into_a_release_is_no_release(forge: Forge) -> None:
    forge.git("switch", "--quiet", "--create", "change")
    forge.git("mv", "notes.yaml", "environments/staging/iris/settings.yaml")
    forge.commit("move")
    forge.git("switch", "--quiet", "main")
    forge.git("merge", "--quiet", "--no-ff", "change")
    assert scope(forge.pull_request("test")) == EVERYTHING


def test_a_release_that_reverts_what_main_has_got_since_is_no_release(forge: Forge) -> None:
    """Compared with the commit that the event calls the base nothing else would have changed."""
    forge.git("rm", "--quiet", "notes.yaml")
    forge.commit("main moves on", **{"app/routes.py": "fixed\n"})
    merge(forge, **{VERSION: "2\n", "app/routes.py": "x\n"})
    assert scope(forge.pull_request("test")) == EVERYTHING


def test_what_main_has_got_since_does_not_make_a_release_wait(forge: Forge) -> None:
    forge.git("switch", "--quiet", "--create", "change")
    forge.commit("change", **{VERSION: "2\n"})
    forge.git("switch", "--quiet", "main")
    forge.commit("main moves on", **{"app/routes.py": "y\n"})
    forge.git("merge", "--quiet", "--no-ff", "change")
    assert scope(forge.pull_request("test")) == RELEASE


@pytest.mark.parametrize(
    ("files", "expected"),
    [({VERSION: "2\n"}, RELEASE), ({VERSION: "2\n", "app/routes.py": "y\n"}, EVERYTHING)],
    ids=[RELEASE, EVERYTHING],
)
def test_a_merge_queue_waits_for_what_its_group_can_break(
    forge: Forge, files: dict[str, str], expected: str
) -> None:
    base = forge.git("rev-parse", "HEAD")
    for name, text in files.items():
        forge.commit(name, **{name: text})
    assert scope(forge.merge_group(base, "test")) == expected


@pytest.mark.parametrize("before", [ZEROS, "1234567890" * 4], ids=["first push", "force push"])
def test_a_push_without_a_commit_before_it_runs_everything(forge: Forge, before: str) -> None:
    event = {"ref": "refs/heads/main", "before": before}
    run = forge.run("push", "ci.yml", event, "test")
    assert scope(run) == EVERYTHING
    assert run.one("make test-fast").environ["BASE"] == before


@pytest.mark.parametrize("job", JOBS[1:])
def test_no_code_and_no_dependency_changes_with_a_release(forge: Forge, job: str) -> None:
    """The check still reports, since the job runs; a skipped one would count as passed too."""
    merge(forge, **{VERSION: "2\n"})
    run = forge.pull_request(job)
    assert run.jobs == {job: "success"}, run.log
    assert run.words("make") == []


@pytest.mark.parametrize("job", JOBS[1:])
def test_other_changes_are_scanned_and_run_in_a_container(forge: Forge, job: str) -> None:
    merge(forge, **{"app/routes.py": "y\n"})
    run = forge.pull_request(job)
    assert run.jobs == {job: "success"}, run.log
    assert run.words("make")[-1] in ("scan", "test-image MODEL=iris")


def test_a_check_that_fails_fails(forge: Forge) -> None:
    forge.failing = ["test-environments"]
    merge(forge, **{VERSION: "2\n"})
    assert forge.pull_request("test").jobs == {"test": "failure"}
