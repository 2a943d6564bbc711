"""Arguments and options that several commands share, with what a shell can complete of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from modelctl.errors import ModelctlError
from modelctl.repository.environments import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _starting_with(incomplete, lambda repository: repository.models())


def _environments(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _starting_with(incomplete, lambda repository: [e.name for e in repository.environments])


def _starting_with(
    incomplete: str, names: Callable[[Repository], list[str]]
) -> list[CompletionItem]:
    try:
        found = names(Repository.find())
    except ModelctlError:  # outside a checkout there is nothing to complete
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


model_argument = click.argument("model", shell_complete=_models)

dry_run_option = click.option("--dry-run", is_flag=True, help="Show the change, write nothing.")

output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)

live_option = click.option(
    "--live/--no-live",
    default=True,
    show_default=True,
    help="Ask the cluster of your kubeconfig too, or git alone.",
)


def environment_option(flag: str, help_text: str) -> Decorator:
    """A required option that takes an environment, as the parameter `environment`."""
    return click.option(
        flag, "environment", required=True, help=help_text, shell_complete=_environments
    )
