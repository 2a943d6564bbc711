"""What a branch may consist of: which files together, of which kind, and how recent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelctl.repository import rule_files, trees, variants
from modelctl.repository.branch import VERSION_FILE
from modelctl.repository.checkout import COMMON, EXPERIMENT_FILE, OVERRIDE_FILE, VALUE_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelctl.repository.branch import Branch

SHOWN_FILES = 3
# Argo CD, Helm and Kustomize read these folders, and follow links in them.
PLAIN_FOLDERS = ("environments/", "charts/", "kustomize/", "argocd/", "models/")
_TOP = ("environments/environments.yaml", "environments/environments.schema.json")
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMES = "|".join(map(re.escape, (*VALUE_FILES, OVERRIDE_FILE, EXPERIMENT_FILE)))
_VARIANTS = rf"{variants.FOLDER}/{variants.NAME}\.yaml"
_VALUES = re.compile(
    rf"environments/{_LABEL}/(?:{re.escape(COMMON)}|[A-Za-z0-9._-]+/(?:{_NAMES}|{_VARIANTS}))"
)


def kind_violations(branch: Branch) -> Iterator[str]:
    """Why changed files are not what their readers take them for."""
    for path, entry in sorted(branch.changed.items()):
        if entry is None:
            continue
        if trees.leaves_folder(path):
            yield f"{_shown(path)}: leaves its folder; git itself makes no such name"
            continue
        is_value = path.startswith("environments/")
        is_judged = path.startswith(PLAIN_FOLDERS) or rule_files.is_rule_file(path)
        allowed = {trees.FILE_MODE} if is_value else {trees.FILE_MODE, trees.EXECUTABLE_MODE}
        if is_judged and entry.mode not in allowed:
            kind = trees.KINDS.get(entry.mode, f"of git mode {entry.mode}")
            yield f"{_shown(path)}: is {kind}; expected a plain file (mode 644)"
        elif is_value and path not in _TOP and not _VALUES.fullmatch(path):
            yield (
                f"{_shown(path)}: unknown file; expected environments/ENVIRONMENT/{COMMON} or "
                f"environments/ENVIRONMENT/MODEL/{{{','.join(VALUE_FILES)}}}, in lower case"
            )


def outdated_violations(branch: Branch) -> Iterator[str]:
    """Why the result of a merge is not what was checked: both sides changed a file."""
    for path in branch.outdated:
        # Git applies what one side changed to the place where the other side moved the file.
        is_gone = branch.changed[path] is None or path not in branch.before
        if is_gone or path.startswith(PLAIN_FOLDERS) or rule_files.is_rule_file(path):
            yield (
                f"{_shown(path)}: the target branch has changed it too since this branch left it; "
                "merge the target branch into this one, or rebase, and check again"
            )


def mixed_violations(branch: Branch) -> Iterator[str]:
    """Why rules and versions may not change together: nobody would see which rules applied."""
    deciding = sorted(filter(rule_files.is_rule_file, branch.changed))
    versions = sorted(
        path
        for path in branch.changed
        if VERSION_FILE.fullmatch(path) or variants.VARIANT_FILE.fullmatch(path)
    )
    if deciding and versions:
        yield (
            f"this changes rules ({_list(deciding)}) and versions ({_list(versions)}) at once; "
            "put them into pull requests of their own: the rules first, the versions once those "
            "are merged"
        )


def _list(paths: Sequence[str]) -> str:
    shown = ", ".join(map(_shown, paths[:SHOWN_FILES]))
    more = len(paths) - SHOWN_FILES
    return f"{shown} and {more} more" if more > 0 else shown


def _shown(path: str) -> str:
    """A path that is safe to print."""
    return path if path.isprintable() else ascii(path)
