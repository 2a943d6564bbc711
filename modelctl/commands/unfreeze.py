"""`modelctl unfreeze`: end a freeze."""

from __future__ import annotations

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import complete_scopes, dry_run_option, output_option
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.promotion import freeze
from modelctl.promotion.pull_request import PullRequest


@click.command()
@click.argument("scope", metavar="ENV[/MODEL]", shell_complete=complete_scopes)
@pull_request_option
@dry_run_option
@output_option
def command(scope: str, pull_request: bool, dry_run: bool, output: str) -> None:
    """End the freeze of an environment, or of one model in it.

    Example: modelctl unfreeze production
    """
    with planning_checkout(for_pull_request=pull_request) as repository:
        environment, model = freeze.parse_scope(repository, scope)
        edit = freeze.plan_unfreeze(repository, environment, model)
        if not edit.has_changes and output == "table":
            click.echo(f"'{scope}' is not frozen")
            return
        title = f"Unfreeze {scope}"
        request = PullRequest(
            branch=f"unfreeze/{scope.replace('/', '-')}", title=title, body=title, edits=[edit]
        )
        display = DisplayOptions(dry_run, output)
        propose_or_write(repository, request, wanted=pull_request, display=display)
