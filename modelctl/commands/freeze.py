"""`modelctl freeze`: refuse changes until a date, with the reason in git."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import complete_scopes, dry_run_option, output_option, reason_option
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.promotion import freeze
from modelctl.promotion.pull_request import PullRequest
from modelctl.repository.environments import TIME_FORMAT, Freeze


@click.command()
@click.argument("scope", metavar="ENV[/MODEL]", shell_complete=complete_scopes)
@click.option(
    "--until",
    required=True,
    help="End: a date (inclusive) such as 2026-12-24, or a time in UTC such as "
    "2026-12-24T18:00:00Z",
)
@reason_option("Reason, shown whenever a change is refused")
@pull_request_option
@dry_run_option
@output_option
def command(
    scope: str, until: str, reason: str, pull_request: bool, dry_run: bool, output: str
) -> None:
    """Refuse bumps, promotions, rollbacks and retirements in an environment or of one model.

    Argo CD does not sync a frozen release either, self-heal included. Both end at the given time.

    Example: modelctl freeze production --until 2026-12-24 --reason 'inventory'
    """
    now = datetime.now(UTC).replace(microsecond=0)
    with planning_checkout(for_pull_request=pull_request) as repository:
        environment, model = freeze.parse_scope(repository, scope)
        end = freeze.parse_until(until, now)
        edit = freeze.plan_freeze(
            repository, environment, model, Freeze(start=now, until=end, reason=reason)
        )
        title = f"Freeze {scope} until {end.strftime(TIME_FORMAT)}: {reason}"
        request = PullRequest(
            branch=f"freeze/{scope.replace('/', '-')}", title=title, body=title, edits=[edit]
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display)
