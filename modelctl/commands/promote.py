"""`modelctl promote`: promote a version from the previous environment."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    dry_run_option,
    environment_option,
    live_option,
    model_argument,
    output_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.promotion import promote, proposal, rollback
from modelctl.promotion.pull_request import PullRequest, has_gh
from modelctl.repository.environments import Repository


@click.command()
@model_argument
@environment_option("--to", "Environment to promote to")
@click.option("--with-settings", is_flag=True, help="Values of settings.yaml as well")
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
    """Promote MODEL: copy its version file from the previous environment.

    Capacity is never copied, settings only with --with-settings. Refuses to skip an environment,
    to break a freeze, to promote before the soak time is over, and, if a cluster is reachable, to
    promote a version that is not Healthy or not running in the previous environment.

    The pull request lists what changes, the metrics beside the current version's and the metric
    baseline, the rendered diff and a checklist for the reviewer; with --dry-run it is only printed.

    \b
    Examples:
      modelctl promote iris --to staging
      modelctl promote iris --to production --pull-request
    """
    promote.require_published(Repository.find(), model, environment, with_settings=with_settings)
    with planning_checkout(for_pull_request=pull_request) as repository:
        planned = promote.plan_promotion(
            repository, model, environment, live=live, with_settings=with_settings
        )
        now = datetime.now(UTC)
        notes = [*planned.notes(now)]
        if planned.has_changes:
            target = planned.environment
            notes += rollback.withdrawal_notes(repository, target, model, planned.version)
        # Rendering the body is slow, and without `gh` nothing would use it.
        needs_body = pull_request and planned.has_changes and (dry_run or has_gh())
        request = PullRequest(
            branch=f"promote/{environment}-{model}",
            title=planned.message,
            body=proposal.body(repository, planned, now, live=live) if needs_body else "",
            edits=planned.edits,
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display, notes=notes)
