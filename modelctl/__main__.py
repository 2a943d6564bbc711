"""Entry point of `modelctl`: runs a command and turns every error into one message and exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (verification or rules), 4 drift, 130
interrupted.
"""

from __future__ import annotations

import sys

from modelctl.cli import cli
from modelctl.errors import ModelctlError


def main() -> None:
    """Run the command line and exit with the code of its outcome."""
    try:
        cli(prog_name="modelctl")
    except ModelctlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
