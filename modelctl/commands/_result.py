"""The result of a command that has one: a line for people, or one JSON document.

With `--output json` stdout is that document or nothing. Whatever else a command prints, and what
training code and programs that it runs print, goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_stdout: ContextVar[IO[str] | None] = ContextVar("stdout", default=None)


def echo(output: str, text: str, document: Mapping[str, object] | Sequence[object]) -> None:
    """Print the document with `--output json`, else the text."""
    if output == "json":
        echo_json(document)
    else:
        click.echo(text)


def echo_json(document: Mapping[str, object] | Sequence[object]) -> None:
    """Print the result as JSON."""
    click.echo(json.dumps(document, indent=2, default=str), file=_stdout.get())


@contextmanager
def alone_on_stdout() -> Iterator[None]:
    """Let nothing but `echo_json` reach stdout, from this process or those that it starts."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(kept, "w", encoding="utf-8", closefd=False) as stream:
            token = _stdout.set(stream)
            try:
                with redirect_stdout(sys.stderr):
                    yield
            finally:
                _stdout.reset(token)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
