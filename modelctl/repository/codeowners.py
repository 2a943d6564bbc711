"""CODEOWNERS, generated from `approvals` in environments.yaml.

Only the part between the two markers is generated; other lines of the file are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.repository.environments import OVERRIDE_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.repository.environments import Environment

FILE = ".github/CODEOWNERS"
# Existing files contain these markers: a changed one would add a second part.
BEGIN = "# Begin of what `make generate` writes from `approvals` in environments/environments.yaml"
END = "# End of what `make generate` writes"


def text(before: str, environments: Sequence[Environment]) -> str:
    """The file with its generated part replaced, or appended where there is none."""
    generated = "\n".join([BEGIN, *_lines(environments), END]) + "\n"
    head, begin, rest = before.partition(BEGIN)
    if not begin:
        return f"{before.rstrip()}\n\n{generated}" if before.strip() else generated
    return head + generated + rest.partition(END)[2].removeprefix("\n")


def _lines(environments: Sequence[Environment]) -> list[str]:
    lines = []
    for environment in environments:
        folder = f"/environments/{environment.name}/"
        if environment.approvals:
            lines.append(f"{folder} {' '.join(environment.approvals)}")
        if environment.overrides:
            approvers = " ".join(environment.overrides.approvers)
            lines.append(f"{folder}*/{OVERRIDE_FILE} {approvers}")
    if not lines:
        return ["# (no environment asks for approvals)"]
    # Without an owner of these two files, anyone could remove the approvals.
    owners = sorted({owner for e in environments for owner in _owners(e)})
    protected = ("/environments/environments.yaml", f"/{FILE}")
    return [*lines, *(f"{path} {' '.join(owners)}" for path in protected)]


def _owners(environment: Environment) -> list[str]:
    """Everybody whom an environment names: none of them may be removed by others."""
    approvers = environment.overrides.approvers if environment.overrides else []
    return [*environment.approvals, *approvers]
