"""Who has to approve what, as CODEOWNERS: from `approvals` in environments.yaml.

Only the part between two markers is ours; other lines of the file stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelctl.repository.environments import Environment

FILE = ".github/CODEOWNERS"
BEGIN = "# Begin of what `make generate` writes from `approvals` in environments/environments.yaml"
END = "# End of what `make generate` writes"


def text(before: str, environments: Sequence[Environment]) -> str:
    """The file with our part renewed, at its end when it was not there."""
    ours = "\n".join([BEGIN, *_lines(environments), END]) + "\n"
    head, begin, rest = before.partition(BEGIN)
    if not begin:
        return f"{before.rstrip()}\n\n{ours}" if before.strip() else ours
    return head + ours + rest.partition(END)[2].removeprefix("\n")


def _lines(environments: Sequence[Environment]) -> list[str]:
    lines = [
        f"/environments/{environment.name}/ {' '.join(environment.approvals)}"
        for environment in environments
        if environment.approvals
    ]
    if not lines:
        return ["# (no environment asks for approvals)"]
    # Whoever could change the rules alone would need nobody's approval.
    everybody = sorted({owner for e in environments for owner in e.approvals})
    guarded = ("/environments/environments.yaml", f"/{FILE}")
    return [*lines, *(f"{path} {' '.join(everybody)}" for path in guarded)]
