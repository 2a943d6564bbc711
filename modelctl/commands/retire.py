"""`modelctl retire`: a model leaves an environment."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.cluster import kube
from modelctl.commands._edit import Show, show_and_apply
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    live_option,
    model_argument,
    output_option,
)
from modelctl.promotion import retire
from modelctl.repository.environments import Environment, Repository


@click.command()
@model_argument
@environment_option("--env", "The environment to leave; later ones first.")
@click.option("--files", is_flag=True, help="Remove settings and capacity too.")
@click.option("--keep-running", is_flag=True, help="Leave the pods to nobody's care.")
@live_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    files: bool,
    keep_running: bool,
    live: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Take MODEL out of an environment, in two runs with a push between them.

    The first removes the version file. The second deletes the Argo CD Application, which never
    goes by itself, once Argo CD has seen the commit; its pods end, unless --keep-running.

    Example: modelctl retire iris --env production
    """
    repository = Repository.find()
    found = repository.environment(environment)
    planned = retire.plan(repository, found, model, datetime.now(UTC), files=files)
    show = Show(dry_run, output)
    if any(edit.changes for edit in planned):
        message = f"Retire {model} from {environment}"
        written = show_and_apply(repository, planned, message=message, show=show)
        if written and output == "table":
            click.echo("then push, and run the same again: it deletes the Application")
        return
    name = f"{environment}-{model}"
    if not live:
        click.echo(f"git has no {name}; the cluster was not asked")
        return
    try:
        application = kube.application(name)
    except kube.UnreachableError as error:
        click.echo(f"git has no {name}; no cluster: {error.reason}")
        click.echo(f"with one: {retire.by_hand(name, keep_running=keep_running)}")
        return
    if application is None:
        _require_known(repository, found, model)
        click.echo(f"neither git nor Argo CD has {name}: nothing to change")
    elif dry_run:
        click.echo(f"dry run: Application {name} would be deleted")
    else:
        click.echo(f"git has no {name}; deleting its Application ...")
        missing = retire.missing_files(repository, found, model)
        retire.delete_application(application, missing, keep_running=keep_running)
        click.echo(f"Application {name} is gone" + (", its pods go on" if keep_running else ""))


def _require_known(repository: Repository, environment: Environment, model: str) -> None:
    """A name that nobody has ever heard of is a typo, not a model that is gone."""
    if not (repository.root / "models" / model).is_dir():
        repository.require_model(environment, model)
