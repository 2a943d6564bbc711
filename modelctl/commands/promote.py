"""`modelctl promote`: a version goes one environment further."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands._edit import Show
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    live_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import propose_or_write, pull_request_option
from modelctl.promotion import promote, proposal
from modelctl.promotion.pull_request import Request, available
from modelctl.repository.environments import Repository


@click.command()
@model_argument
@environment_option("--to", "The environment to enter.")
@click.option("--with-settings", is_flag=True, help="Copy settings.yaml's values as well.")
@pull_request_option
@live_option
@dry_run_option
@output_option
def command(
    model: str,
    environment: str,
    with_settings: bool,
    pull_request: bool,
    live: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Copy MODEL's version file from the environment before, and nothing else.

    Capacity stays as it is, settings too unless asked for. Refused are: a skipped environment, a
    freeze, a version that has not been long enough where it comes from, and, when a cluster
    answers, one that is not Healthy there or does not run yet.

    A pull request says what moves, its metrics beside what serves and the baseline, what changes
    in the cluster, and what its reviewer has to see to; with --dry-run it is only printed.

    \b
    Examples:
      modelctl promote iris --to staging
      modelctl promote iris --to production --pull-request
    """
    repository = Repository.find()
    planned = promote.plan_promotion(
        repository, model, environment, live=live, with_settings=with_settings
    )
    now = datetime.now(UTC)
    notes = planned.notes(now)
    # By hand there is nobody to hand a text to.
    told = pull_request and planned.changes and (dry_run or available())
    request = Request(
        branch=f"promote/{environment}-{model}",
        title=planned.message,
        body=proposal.body(repository, planned, now, live=live) if told else "",
        edits=planned.edits,
    )
    show = Show(dry_run, output)
    propose_or_write(repository, request, wanted=pull_request, show=show, notes=notes)
