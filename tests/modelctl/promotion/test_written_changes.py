"""No command writes what `check` refuses: it refuses before it writes, and leaves all as it was."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelctl.cli import COMMANDS, LazyGroup, cli
from modelctl.errors import ModelctlError
from tests.modelctl.conftest import commit_all, run
from tests.modelctl.promotion import stages
from tests.modelctl.promotion.judged import git, judge

BUILD = "--bundle ../bundle --image registry.example/iris:1.3.0@sha256:" + "c" * 64
NEVER, ALWAYS = frozenset[str](), frozenset(stages.STAGES)
UNFROZEN = ALWAYS - {"frozen"}
IDLE = UNFROZEN - {"running"}  # no experiment runs
ROLLBACK = "--reason wrong --no-registry"
# Where each command writes; elsewhere it leaves all as it is. The experiments of iris are in dev
# and production, the one of wine in production; the freezes of `frozen` are there too.
WRITES = {
    "new rye": ALWAYS,
    "new iris-forest": NEVER,
    "bump iris --env dev --chart-version 0.2.0": UNFROZEN,
    f"bump iris --env dev {BUILD}": IDLE,
    f"bump iris --env production {BUILD}": NEVER,
    "promote iris --to staging --no-live": ALWAYS,
    "promote iris --to staging --no-live --with-settings": ALWAYS,
    "promote iris --to production --no-live": IDLE,
    "promote iris --to production --no-live --with-settings": IDLE - {"planned"},
    # Its version is there already, so only the settings would change.
    "promote wine --to production --no-live --with-settings": IDLE - {"planned"},
    "promote --all-ready --to staging --no-live": ALWAYS,
    "promote --all-ready --to production --no-live": UNFROZEN,  # rice at least
    "promote iris --to production --no-live --override order --from dev --reason outage": IDLE,
    "auto-promote --no-live": ALWAYS,
    # Production always comes back, and a running experiment is void.
    f"rollback iris --env dev {ROLLBACK}": UNFROZEN,
    f"rollback iris --env dev --to 0.9.0 {ROLLBACK}": UNFROZEN,
    f"rollback iris --env staging --aborted {ROLLBACK}": ALWAYS,
    f"rollback iris --env production {ROLLBACK}": UNFROZEN,
    f"rollback iris --env production --aborted {ROLLBACK}": UNFROZEN,
    f"rollback iris --env production --break-freeze {ROLLBACK}": ALWAYS,
    f"rollback wine --env staging {ROLLBACK}": NEVER,
    "retire iris --env production --no-live": UNFROZEN,
    "retire iris --env production --no-live --files": UNFROZEN,
    "retire iris --env staging --no-live": NEVER,
    "retire rice --env staging --no-live": ALWAYS,
    "retire rice --env staging --no-live --files": NEVER,  # production is set up
    "freeze dev --until 2999-12-31 --reason later": ALWAYS,
    "freeze production/iris --until 2999-12-31 --reason later": ALWAYS,
    "unfreeze production": frozenset({"frozen"}),
    "unfreeze production/iris": NEVER,
    "variant add iris next --env dev --share 5 --from staging": IDLE,
    "variant add iris next --env staging --share 5 --from dev": ALWAYS,
    "variant add iris next --env production --share 5 --from dev": NEVER,
    "variant add iris next --env production --share 5": IDLE,
    "variant add iris next --env production": UNFROZEN,
    "variant add iris next --env production --mirror 5": UNFROZEN,
    "variant add iris next --env production --match x-next=true": UNFROZEN,
    "variant add iris forest --env production": IDLE,
    "variant add iris forest --env production --share 30": IDLE,
    "variant add iris forest --env production --share 20 --replicas 3": UNFROZEN,
    "variant add iris forest --env production --share 20 --match x-next=true": UNFROZEN,
    "variant add iris forest --env production --mirror 20": IDLE,
    "variant add iris tree --env production --share 10": IDLE,
    "variant add rice next --env production --share 10 --from dev": NEVER,
    "variant share iris forest 10 --env dev": IDLE,
    "variant share iris forest 30 --env staging": ALWAYS,
    **dict.fromkeys(
        (f"variant share iris forest {share} --env production" for share in (0, 10, 30, 100)), IDLE
    ),
    "variant share iris tree 5 --env production": IDLE,
    "variant share iris tree 90 --env production": NEVER,
    "variant share iris dusk 5 --env production": IDLE,
    "variant share wine forest 21 --env production": IDLE,
    # The experiment of an arm that goes is stopped.
    "variant remove iris forest --env production": UNFROZEN,
    "variant remove iris tree --env production": UNFROZEN,
    "variant promote iris forest --env production": UNFROZEN,
    "variant promote iris forest --env dev": UNFROZEN,
    "variant promote iris tree --env production": IDLE,
    "variant promote iris dusk --env staging": ALWAYS,
    "experiment stop iris --env dev": frozenset({"planned", "running"}),
    "experiment stop iris --env production": frozenset({"planned", "running"}),
    "experiment stop iris --env staging": NEVER,
}
# These write into models/ or a cluster, for which `check` has no rules, or only send requests.
ELSEWHERE = {"bootstrap", "gate", "load", "validate"}


def write(words: str) -> bool:
    """Run a command on a branch of `main`; whether it wrote something, which is then committed.

    Whatever it writes passes `check`, as files and as that commit.
    """
    try:
        document = json.loads(run(*shlex.split(words), "--output", "json"))
    except ModelctlError:
        document = {"changes": []}
    if not document.get("changes"):  # a second `retire` looks at the cluster instead
        assert git("status", "--porcelain") == "", f"{words}: written nevertheless"
        return False
    try:
        run("check")
        commit_all(Path.cwd(), document["message"])
        judge()
    except ModelctlError as error:
        raise AssertionError(f"{words}: check refuses what it wrote: {error}") from error
    return True


@pytest.mark.parametrize("stage", stages.STAGES)
def test_what_a_command_writes_passes_the_check(repo: Path, stage: str) -> None:
    stages.build(repo, stage)
    git("switch", "--quiet", "--create", "change")
    found = {}
    for words in WRITES:
        found[words] = write(words)
        git("reset", "--quiet", "--hard", "main")
        git("clean", "--quiet", "-d", "--force")
    assert found == {words: stage in places for words, places in WRITES.items()}


def test_every_command_that_writes_is_tried() -> None:
    untried = {
        name
        for name in writing(cli, click.Context(cli))
        if not any(words.startswith(f"{name} ") for words in WRITES)
    }
    assert untried == ELSEWHERE


def writing(group: click.Group, context: click.Context, prefix: str = "") -> Iterator[str]:
    """The commands of a group that have a dry run."""
    for name in COMMANDS if isinstance(group, LazyGroup) else group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from writing(command, context, f"{prefix}{name} ")
        elif command and any(parameter.name == "dry_run" for parameter in command.params):
            yield f"{prefix}{name}"


@pytest.fixture
def start(repo: Path, request: pytest.FixtureRequest) -> Path:
    """The checkout at a stage, on the branch `change`."""
    stages.build(repo, request.param)
    git("switch", "--quiet", "--create", "change")
    return repo


@pytest.mark.parametrize("start", ["running", "frozen"], indirect=True)
@settings(
    max_examples=6,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(way=st.lists(st.sampled_from(sorted(WRITES)), min_size=3, max_size=8))
def test_one_after_the_other_too(
    start: Path, way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is merged before the next one, as pull requests are."""
    walked = start.with_name("walked")
    shutil.rmtree(walked, ignore_errors=True)
    shutil.copytree(start, walked)
    with monkeypatch.context() as patch:
        patch.chdir(walked)
        for words in way:
            if write(words):
                git("branch", "--force", "main", "change")
