"""Entry point of `modelctl`: runs a command and turns every error into one message and exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (verification or rules), 4 drift, 130
interrupted. With `--output json` the message is one line of JSON, on stderr like the text: stdout
is the result of a command or nothing.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from itertools import pairwise

import click

from modelctl.cli import cli
from modelctl.commands import _result
from modelctl.errors import ModelctlError

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with the code of its outcome."""
    arguments = sys.argv[1:]
    is_json = _wants_json(arguments)
    try:
        with _result.alone_on_stdout() if is_json else nullcontext():
            code = cli.main(arguments, prog_name="modelctl", standalone_mode=False)
    except ModelctlError as error:
        document = _document(error.what, error.expected, error.found, error.fix, error.exit_code)
        print(json.dumps(document) if is_json else f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        if is_json:
            command = (
                error.ctx.command_path
                if isinstance(error, click.UsageError) and error.ctx
                else "modelctl"
            )
            fix = f"{command} --help"
            document = _document(error.format_message(), "", "", fix, error.exit_code)
            print(json.dumps(document), file=sys.stderr)
        else:
            error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        document = _document("interrupted", "", "", "", INTERRUPTED)
        print(json.dumps(document) if is_json else "interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _document(what: str, expected: str, found: str, fix: str, code: int) -> dict[str, object]:
    parts = {"what": what, "expected": expected, "found": found, "fix": fix, "code": code}
    return {"error": parts}


def _wants_json(arguments: list[str]) -> bool:
    """Whether the line asks for JSON: read here, as a wrong line is never parsed to its end."""
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)


if __name__ == "__main__":
    main()
