"""docs/reference/cli.md, made from the commands themselves: what is documented is what there is."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING

import click

from modelctl.cli import COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "docs/reference/cli.md"

HEAD = """\
# The command `modelctl`

Made by `make generate` from the commands themselves. Run it inside a checkout; every command has
`--help`.

## Exit codes
| code | means |
|---|---|
| 0 | done, or nothing to change |
| 1 | failed: the message says what was found, what was expected, and the way out |
| 2 | wrong usage |
| 3 | refused: a bundle that does not verify, a promotion against the rules, a check with problems |
| 4 | `drift report --fail-on`: there is drift |
| 130 | interrupted |

Errors go to stderr. `--output json` writes one JSON document to stdout. Commands that edit files
have `--dry-run`, and change nothing when they are run a second time. They do not commit, but say
which `git` commands come next.

## Completion in the shell
Commands, options, and the names of models and environments of the checkout:

```sh
eval "$(_MODELCTL_COMPLETE=bash_source modelctl)"   # in ~/.bashrc
eval "$(_MODELCTL_COMPLETE=zsh_source modelctl)"    # in ~/.zshrc
_MODELCTL_COMPLETE=fish_source modelctl | source    # in ~/.config/fish/config.fish
```

## Commands
"""


def text() -> str:
    """The page as it is checked in."""
    context = click.Context(cli, info_name="modelctl")
    index = [f"- [`{name}`](#modelctl-{name}): {COMMANDS[name]}" for name in COMMANDS]
    sections = [section for name in COMMANDS for section in _sections(name, context)]
    return HEAD + "\n".join(index) + "\n\n" + "\n".join(sections)


def _sections(name: str, parent: click.Context) -> Iterator[str]:
    """The command, and those that it is a group of."""
    assert isinstance(parent.command, click.Group)  # noqa: S101 - only groups have names in them
    command = parent.command.get_command(parent, name)
    assert command is not None  # noqa: S101 - it is in the list
    context = click.Context(command, info_name=name, parent=parent)
    yield _section(command, context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _sections(inner, context)


def _section(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    depth = "#" * path.count(" ")
    parts = [f"#{depth} {path}", *_paragraphs(command.help or "")]
    parts.insert(1, f"```\n{usage}\n```")
    rows = list(_rows(command, context))
    if rows:
        parts.append("\n".join(["| option | |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _paragraphs(help_text: str) -> Iterator[str]:
    """Prose as it is, examples as code."""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        lines = paragraph.removeprefix("\b\n").splitlines()
        if lines[0] in ("Example:", "Examples:"):
            yield "```sh\n" + textwrap.dedent("\n".join(lines[1:])) + "\n```"
        elif lines[0].startswith("Example: "):
            yield f"```sh\n{lines[0].removeprefix('Example: ')}\n```"
        else:
            yield " ".join(line.strip() for line in lines)


def _rows(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        is_argument = isinstance(parameter, click.Argument)
        if record and not is_argument and "--help" not in record[0]:
            flags, words = (part.replace("|", "\\|") for part in record)
            yield f"| `{flags}` | {words} |"
