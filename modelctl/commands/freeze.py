"""`modelctl freeze`: no changes until a date, with the reason in git."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from modelctl.commands._edit import Show, show_and_apply
from modelctl.commands._options import dry_run_option, output_option
from modelctl.promotion import freeze
from modelctl.repository.environments import Freeze, Repository


@click.command()
@click.argument("scope", metavar="ENV[/MODEL]")
@click.option("--until", required=True, help="2026-12-24 (inclusive) or 2026-12-24T18:00:00Z.")
@click.option("--reason", required=True, help="Why; shown to everybody who is refused.")
@dry_run_option
@output_option
def command(scope: str, until: str, reason: str, dry_run: bool, output: str) -> None:
    """Stop bumps, promotions and rollbacks in an environment, or of one model in it.

    Argo CD does not sync what is frozen either, self-healing included; both end by themselves.

    Example: modelctl freeze production --until 2026-12-24 --reason 'inventory'
    """
    now = datetime.now(UTC).replace(microsecond=0)
    repository = Repository.find()
    environment, model = freeze.parse_scope(repository, scope)
    end = freeze.parse_until(until, now)
    edit = freeze.plan_freeze(
        repository, environment, model, Freeze(start=now, until=end, reason=reason)
    )
    message = f"Freeze {scope} until {end.strftime(freeze.TIME_FORMAT)}: {reason}"
    show_and_apply(repository, [edit], message=message, show=Show(dry_run, output))
