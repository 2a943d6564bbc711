"""Arguments and options that several commands share, with their shell completion."""

from __future__ import annotations

from pathlib import Path
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
        candidates = names(Repository.find())
    except ModelctlError:  # outside a checkout there is nothing to complete
        return []
    return [CompletionItem(name) for name in candidates if name.startswith(incomplete)]


model_argument = click.argument("model", shell_complete=_models)

models_argument = click.argument("models", nargs=-1, shell_complete=_models)

dry_run_option = click.option("--dry-run", is_flag=True, help="Preview without writing anything")

output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format",
)

live_option = click.option(
    "--live/--no-live",
    default=True,
    show_default=True,
    help="Live state from the cluster of your kubeconfig, or git only",
)


def bundle_option(name: str, help_text: str, *, required: bool = True) -> Decorator:
    """`--bundle`: an existing bundle folder, as the parameter `name`."""
    return click.option(
        "--bundle",
        name,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        required=required,
        help=help_text,
    )


def html_option(help_text: str) -> Decorator:
    """`--html`: a page to write, as the parameter `page`."""
    return click.option(
        "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help=help_text
    )


def environment_option(flag: str, help_text: str) -> Decorator:
    """A required option whose value is an environment, as the parameter `environment`."""
    return click.option(
        flag, "environment", required=True, help=help_text, shell_complete=_environments
    )


environment_filter_option = click.option(
    "--env", "environment", default="", help="Only this environment", shell_complete=_environments
)
