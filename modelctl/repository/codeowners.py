"""CODEOWNERS, generated from `approvals` in environments.yaml.

Only the part between the two markers is generated; other lines of the file are kept. It stands at
the end: of the lines that match a file, a forge goes by the last.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelctl.repository import rule_files
from modelctl.repository.checkout import OVERRIDE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from modelctl.repository.environments import Environment

FILE = rule_files.OWNERS
# Existing files contain these markers: a changed one would add a second part.
BEGIN = "# Begin of what `make generate` writes from `approvals` in environments/environments.yaml"
END = "# End of what `make generate` writes"
# GitHub ignores a larger file.
MAX_BYTES = 3_000_000
_GENERATED = re.compile(rf"^{re.escape(BEGIN)}\n(.*?^{re.escape(END)}(\n|\Z)|)", re.M | re.S)

# A section of GitLab's, required or optional, or an exclusion.
_SWITCH = re.compile(r"\s*(\^?\[|!)")
MAX_SHOWN = 60


def text(before: str, environments: Sequence[Environment]) -> str:
    """The file with its generated part replaced, or appended where there is none."""
    generated = "\n".join([BEGIN, *_lines(environments), END]) + "\n"
    others = _GENERATED.sub("", before).strip("\n")
    return f"{others}\n\n{generated}" if others.strip() else generated


def violations(root: Path, environments: Sequence[Environment]) -> Iterator[str]:
    """Why a forge would not ask for the approvals that environments.yaml names."""
    path = root / FILE
    content = path.read_bytes() if path.is_file() else b""
    current = content.decode(errors="replace").replace("\r\n", "\n")
    has_approvals = any(each.approvals or each.overrides for each in environments)
    if (has_approvals or current) and text(current, environments) != current:
        yield (
            f"{FILE}: stale: the generated part differs from `approvals` in environments/"
            "environments.yaml, or lines after it override it; run `make generate`"
        )
    if not has_approvals:
        return
    for number, line in enumerate(current.splitlines(), start=1):
        if _SWITCH.match(line):
            yield (
                f"{FILE}:{number}: `{line.strip()[:MAX_SHOWN]}` decides on lines below it: GitLab "
                "starts a section there, which `^` makes optional, or excludes files for good, and "
                "GitHub ignores it; remove the line"
            )
    if len(content) >= MAX_BYTES:
        yield f"{FILE}: {len(content):,} bytes; GitHub ignores files of {MAX_BYTES:,} bytes or more"
    for name in rule_files.OTHER_OWNERS:
        if (root / name).is_file():
            yield f"{name}: a forge reads only one of this and {FILE}; move its lines to {FILE}"


def _lines(environments: Sequence[Environment]) -> list[str]:
    lines = []
    # Those who guard the last environment decide on the rules: anyone else who may change a rule
    # could remove their approval.
    deciding: list[str] = []
    for environment in environments:
        folder = f"/environments/{environment.name}/"
        if environment.approvals:
            deciding = environment.approvals
            owners = " ".join(deciding)
            lines.append(f"{folder} {owners}")
            lines.append(f"/kustomize/environments/overlays/{environment.name}/ {owners}")
        if environment.overrides:
            approvers = environment.overrides.approvers
            deciding = environment.approvals or approvers
            lines.append(f"{folder}*/{OVERRIDE_FILE} {' '.join(approvers)}")
    if not lines:
        return ["# (no environment asks for approvals)"]
    return [*(f"/{pattern} {' '.join(deciding)}" for pattern in rule_files.PATTERNS), *lines]
