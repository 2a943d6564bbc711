"""`modelctl freeze`: refuse changes until a date, with the reason in git."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import dry_run_option, output_option
from modelctl.promotion import freeze
from modelctl.repository.environments import TIME_FORMAT, Freeze, Repository


@click.command()
@click.argument("scope", metavar="ENV[/MODEL]")
@click.option(
    "--until",
    required=True,
    help="End: a date (inclusive) such as 2026-12-24, or a time in UTC such as "
    "2026-12-24T18:00:00Z",
)
@click.option("--reason", required=True, help="Reason, shown whenever a change is refused")
@dry_run_option
@output_option
def command(scope: str, until: str, reason: str, dry_run: bool, output: str) -> None:
    """Refuse bumps, promotions, rollbacks and retirements in an environment or of one model.

    Argo CD does not sync a frozen release either, self-heal included. Both end at the given time.

    Example: modelctl freeze production --until 2026-12-24 --reason 'inventory'
    """
    now = datetime.now(UTC).replace(microsecond=0)
    repository = Repository.find()
    environment, model = freeze.parse_scope(repository, scope)
    end = freeze.parse_until(until, now)
    edit = freeze.plan_freeze(
        repository, environment, model, Freeze(start=now, until=end, reason=reason)
    )
    message = f"Freeze {scope} until {end.strftime(TIME_FORMAT)}: {reason}"
    show_and_apply(repository, [edit], message=message, display=DisplayOptions(dry_run, output))
