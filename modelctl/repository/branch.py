"""What a branch would change in its target branch: the target as it is now, and the result.

The target is read at its newest commit, so that rules, freezes and versions are those that count
when the branch is merged. What the branch changed since it left the target lies on top of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import changes, rule_files, trees, yamlfile
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE, Environments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from modelctl.repository.trees import Entry

RULES = str(FILE)
VERSION_FILE = re.compile(r"environments/([^/]+)/([^/]+)/version\.yaml")


@dataclass(frozen=True)
class Branch:
    """A branch and its target.

    `target` is the newest commit of the target branch, `fork` the commit at which the branch left
    it. `head` is the branch's newest commit; with `is_committed` false, the working tree lies on
    top of it. `changed` has every file that differs from the target once the branch is merged,
    None for a removed one. `outdated` are those that the target has changed as well.
    """

    root: Path
    target: str
    fork: str
    head: str
    is_committed: bool
    before: Mapping[str, Entry]
    changed: Mapping[str, Entry | None]
    outdated: tuple[str, ...]
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    def after(self, path: str) -> Entry | None:
        """A file once the branch is merged."""
        return self.changed[path] if path in self.changed else self.before.get(path)

    def paths_after(self) -> Iterable[str]:
        """Every file once the branch is merged."""
        yield from (path for path in self.before if path not in self.changed)
        yield from (path for path, entry in self.changed.items() if entry is not None)

    def preload(self, entries: Iterable[Entry | None]) -> None:
        """Read many files with one process."""
        oids = {entry.oid for entry in entries if entry is not None and entry.oid}
        for oid, content in trees.contents(self.root, oids - self._texts.keys()).items():
            self._texts[oid] = content.decode(errors="replace")

    def text(self, entry: Entry | None) -> str | None:
        """The text of a file; None if there is none."""
        if entry is None:
            return None
        if entry.here:
            return (self.root / entry.here).read_text(encoding="utf-8", errors="replace")
        if entry.oid not in self._texts:
            self.preload([entry])
        return self._texts[entry.oid]

    def text_before(self, path: str) -> str | None:
        """The text of a file in the target branch; None if there is none."""
        return self.text(self.before.get(path))

    def text_after(self, path: str) -> str | None:
        """The text of a file once the branch is merged; None if there is none."""
        return self.text(self.after(path))

    @cached_property
    def rules(self) -> Environments:
        """The environments as the target branch has them. Raises ModelctlError if it has none."""
        text = self.text_before(RULES)
        if text is None:
            raise ModelctlError(
                f"{RULES}: missing in the target branch",
                expected="its environments and freezes, which a branch is checked against",
                fix=f"merge {RULES} first, in a pull request of its own",
            )
        path = self.root / RULES
        return yamlfile.validate_strict(Environments, path, text)

    @cached_property
    def judge(self) -> Repository:
        """The repository with the environments of the target branch."""
        return Repository(self.root, tuple(self.rules.environments), self.rules.health_reporter)

    @property
    def changes(self) -> changes.Changes:
        """The changed files that renders and structural checks read."""
        names = sorted(path for path in self.changed if changes.is_read(path))
        return changes.Changes(self.target, tuple(names))

    def export(self, folder: Path) -> Repository:
        """Write the files that structural checks read, as they are once the branch is merged."""
        owners = (rule_files.OWNERS, *rule_files.OTHER_OWNERS)
        entries = {
            path: entry
            for path in self.paths_after()
            if (changes.is_read(path) or path in owners) and (entry := self.after(path))
        }
        trees.export(self.root, entries, folder)
        return Repository.find(folder)


def between(root: Path, target: str, head: str | None = None) -> Branch:
    """The branch from `target` to `head`, by default to the working tree.

    Raises ModelctlError if one of them is no commit, or if they have no commit in common.
    """
    target = trees.commit_id(root, target, "--base")
    tip = trees.commit_id(root, "HEAD" if head is None else head, "--head")
    fork = trees.merge_base(root, target, tip)
    own = trees.changed_here(root, fork) if head is None else trees.changed(root, fork, tip)
    theirs = trees.changed(root, fork, target) if fork != target else {}
    before = trees.files(root, target)
    changed = {path: entry for path, entry in own.items() if entry != before.get(path)}
    outdated = tuple(sorted(changed.keys() & theirs.keys()))
    return Branch(root, target, fork, tip, head is not None, before, changed, outdated)
