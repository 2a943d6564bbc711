"""Arguments and options that several commands share, with their shell completion."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelctl.repository.checkout import Repository

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

COMPLETE_VARIABLE = "_MODELCTL_COMPLETE"  # by which click is asked for candidates


class FiniteRange(click.FloatRange):
    """A range of numbers. click's own takes nan, which is neither above nor below a limit."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; fails for nan and inf."""
        # float() reads 1_0 as 10, and the digits of every script.
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            self.fail(f"{value!r} is not a number.", param, ctx)
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def complete_models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models of the checkout."""
    return _starting_with(incomplete, lambda repository: repository.models())


def complete_environments(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The environments of the checkout."""
    return _starting_with(incomplete, lambda repository: [e.name for e in repository.environments])


def complete_scopes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Environments, and behind a slash the models in them."""

    def scopes(repository: Repository) -> list[str]:
        names = [environment.name for environment in repository.environments]
        if "/" not in incomplete:
            return names
        return [f"{name}/{model}" for name in names for model in repository.models()]

    return _starting_with(incomplete, scopes)


def complete_versions(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The earlier versions of the model and the environment that stand on the line already."""
    # An option without its value ends click's parsing: what came before it is left over.
    model = context.params.get("model") or next(iter(context.args), None)
    name = context.params.get("environment")

    def versions(repository: Repository) -> list[str]:
        if not model or not name:
            return []
        from modelctl.repository import history

        entries = history.read(repository, repository.environment(name), model)
        return list(dict.fromkeys(e.version.model.version for e in entries if e.version))

    return _starting_with(incomplete, versions)


def _starting_with(
    incomplete: str, names: Callable[[Repository], list[str]]
) -> list[CompletionItem]:
    # Only completion reads the checkout: commands that work without one start sooner.
    from modelctl.repository.checkout import Repository

    try:
        candidates = names(Repository.find())
    except ModelctlError:  # outside a checkout there is nothing to complete
        return []
    return [CompletionItem(name) for name in candidates if name.startswith(incomplete)]


model_argument = click.argument("model", shell_complete=complete_models)

models_argument = click.argument("models", nargs=-1, shell_complete=complete_models)

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


def reason_option(help_text: str, *, required: bool = True) -> Decorator:
    """`--reason`: a text on one line, because it becomes part of a commit's subject."""
    default = None if required else ""
    return click.option(
        "--reason", required=required, default=default, callback=_on_one_line, help=help_text
    )


def _on_one_line(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse a given reason that is blank, such as an empty variable of a script."""
    text = " ".join(value.split())
    is_given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if is_given and not text:
        raise click.BadParameter("says nothing: expected a reason for whoever reads it later")
    return text


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
        flag, "environment", required=True, help=help_text, shell_complete=complete_environments
    )


environment_filter_option = click.option(
    "--env",
    "environment",
    default="",
    help="Only this environment",
    shell_complete=complete_environments,
)
