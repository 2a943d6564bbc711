"""`modelctl retire`: remove a model from an environment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from modelctl.cluster import kube
from modelctl.commands import _result
from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    live_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.promotion import retire
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository import gitrepo
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment


@click.command()
@model_argument
@environment_option("--env", "Environment to retire the model from; later environments first")
@click.option(
    "--files",
    is_flag=True,
    help="Settings and capacity files as well; those of later environments first",
)
@click.option("--keep-running", is_flag=True, help="Orphan the pods instead of deleting them")
@pull_request_option
@live_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    files: bool,
    keep_running: bool,
    pull_request: bool,
    live: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Retire MODEL from an environment, in two runs with a push between them.

    The first run removes the version file. The second, once Argo CD has seen the commit, deletes
    the Argo CD Application and, unless --keep-running is given, its pods.

    Example: modelctl retire iris --env production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        target = repository.environment(environment)
        planned = retire.plan(repository, target, model, datetime.now(UTC), files=files)
        if any(edit.has_changes for edit in planned):
            title = f"Retire {model} from {environment}"
            request = PullRequest(
                branch=f"retire/{environment}-{model}", title=title, body=title, edits=planned
            )
            display = DisplayOptions(dry_run, output)
            done = propose_or_write(repository, request, wanted=pull_request, display=display)
            if done and output == "table":
                then = "once it is merged" if pull_request else "then push, and"
                click.echo(f"{then} run this command again to delete the Application")
                if not pull_request:
                    _print_return(repository, target, model)
            return
    repository = Repository.find()
    target = repository.environment(environment)
    name = f"{environment}-{model}"

    def report(text: str, state: str) -> None:
        _result.echo(output, text, {"release": name, "state": state})

    if not live:
        _require_known(repository, target, model)
        report(f"{name} is not in git; cluster not queried (--no-live)", "unknown")
        return
    try:
        application = kube.application(name)
    except kube.UnreachableError as error:
        _require_known(repository, target, model)
        command = retire.manual_command(name, keep_running=keep_running)
        report(
            f"{name} is not in git; no cluster reachable: {error.reason}\n"
            f"to delete its Application: {command}",
            "unknown",
        )
        return
    if application is None:
        _require_known(repository, target, model)
        report(f"{name} is neither in git nor in Argo CD: nothing to retire", "retired")
    elif dry_run:
        report(f"dry run: Application {name} would be deleted", "to be deleted")
    else:
        click.echo(f"{name} is not in git; deleting its Application ...", err=True)
        missing = retire.missing_files(repository, target, model)
        retire.delete_application(application, missing, keep_running=keep_running)
        report(f"Application {name} deleted{', pods orphaned' * keep_running}", "retired")
        if output == "table":
            _print_return(repository, target, model)


def _print_return(repository: Repository, environment: Environment, model: str) -> None:
    """How to undo it, with the commit that still has the files."""
    commands = retire.return_commands(repository, environment, model)
    if commands:
        click.echo("to bring it back as it was, then push:")
        click.echo("\n".join(f"  {command}" for command in commands))


def _require_known(repository: Repository, environment: Environment, model: str) -> None:
    """Refuse a name without training code, settings and history: a typo, not a retired model."""
    if (repository.root / "models" / model).is_dir():
        return
    if not gitrepo.commits_of(repository.root, repository.version_file(environment, model)):
        repository.require_model(environment, model)
