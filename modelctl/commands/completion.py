"""`modelctl completion`: print the script for completion in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from modelctl.commands._options import COMPLETE_VARIABLE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, models, environments and versions.

    \b
    Examples:
      eval "$(modelctl completion bash)"      # in ~/.bashrc
      eval "$(modelctl completion zsh)"       # in ~/.zshrc
      modelctl completion fish | source       # in ~/.config/fish/config.fish
    """
    completion = get_completion_class(shell)
    if completion is None:  # click knows all three
        raise click.UsageError(f"no completion for {shell}")
    root = context.find_root()
    click.echo(completion(root.command, {}, "modelctl", COMPLETE_VARIABLE).source())
