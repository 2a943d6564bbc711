"""Rules of a target branch that cannot be read, and the one change that may pass then: the repair.

Without rules nothing can be judged, neither freezes nor the order of promotion, so a repair brings
nothing else: not even the files that another rule would let pass. Who may approve it is for the
forge and its administrators; this module says that they have to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.promotion import check
from modelctl.promotion.check import CHART_VALUES as VALUES
from modelctl.rendering import charts
from modelctl.repository import codeowners, rule_files, strict_yaml, trees
from modelctl.repository.branch import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelctl.repository.branch import Branch
    from modelctl.repository.checkout import Repository


@dataclass(frozen=True)
class Repair:
    """The files of the target branch with rules that cannot be read, each with the reason."""

    branch: Branch
    unreadable: dict[str, str]

    @property
    def has_environments(self) -> bool:
        """Whether the environments of the target can be read."""
        return RULES not in self.unreadable

    @property
    def markers(self) -> str | None:
        """The values of the chart whose markers apply: the target's, or those of the repair."""
        return None if VALUES in self.unreadable else self.branch.text_before(VALUES)

    def violations(self) -> Iterator[str]:
        """Why the change is no repair, or more than one."""
        for path, reason in self.unreadable.items():
            if path not in self.branch.changed:
                yield (
                    f"{reason}: the rules of the target branch cannot be read, so nothing can be "
                    "judged by them; repair that file first, in a pull request of its own"
                )
        if not self.unreadable or not self.unreadable.keys() <= self.branch.changed.keys():
            return
        for path in sorted(self.branch.changed.keys() - self._repaired):
            if path != rule_files.OWNERS:
                yield (
                    f"{path if path.isprintable() else ascii(path)}: {self._names} of the target "
                    "branch cannot be read, and a change that repairs it may change nothing else; "
                    "put this file into a pull request of its own"
                )

    def result_violations(self, repaired: Repository) -> Iterator[str]:
        """Why the files that come along are not generated from the repaired ones."""
        if not self.unreadable or rule_files.OWNERS not in self.branch.changed:
            return
        before = self.branch.text_before(rule_files.OWNERS) or ""
        expected = codeowners.text(before, repaired.environments)
        if self.branch.text_after(rule_files.OWNERS) != expected:
            yield (
                f"{rule_files.OWNERS}: differs from what `make generate` writes after the repair "
                f"of {self._names}; put other lines into a pull request of its own"
            )

    def notes(self) -> list[str]:
        """What the one who approves has to know; nothing if it is no repair."""
        if not self.unreadable:
            return []
        return [
            *(f"the target branch cannot be read: {each}" for each in self.unreadable.values()),
            f"this change touches nothing but {', '.join(sorted(self._repaired))}: checked is its "
            "form, and no rule of the target branch that it may end, such as a freeze or an "
            "approval; it needs the review of an administrator",
        ]

    @cached_property
    def _repaired(self) -> set[str]:
        """The changed files that belong to the repair; of a chart also its new version."""
        chart = {VALUES, charts.DEFINITION}
        wanted = set(self.unreadable) | (chart if chart & self.unreadable.keys() else set())
        return wanted & self.branch.changed.keys()

    @property
    def _names(self) -> str:
        return " and ".join(self.unreadable)


def find(branch: Branch) -> Repair:
    """What of the rules that this change needs cannot be read in the target branch."""
    readers: dict[str, Callable[[], object]] = {
        RULES: lambda: branch.rules,
        VALUES: lambda: check.read_markers(branch.text_before(VALUES) or ""),
    }
    if any(map(charts.is_packaged, branch.changed)):
        readers[charts.DEFINITION] = lambda: _read_definition(branch)
    unreadable = {}
    for path, read in readers.items():
        entry = branch.before.get(path)
        if entry is not None and entry.mode in trees.KINDS and entry.mode != trees.EXECUTABLE_MODE:
            unreadable[path] = f"{path}: is {trees.KINDS[entry.mode]}"
            continue
        try:
            read()
        except ModelctlError as error:
            first, *more = str(error).splitlines()
            found = next((line.strip() for line in more if "found:" in line), "")
            unreadable[path] = first.replace(f"{branch.root}/", "") + (found and f" ({found})")
    return Repair(branch, unreadable)


def _read_definition(branch: Branch) -> None:
    text = branch.text_before(charts.DEFINITION)
    if text is not None and not strict_yaml.parse(text, Path(charts.DEFINITION)).content:
        raise ModelctlError(f"{charts.DEFINITION}: empty")
