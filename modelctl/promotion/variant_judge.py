"""The rules for the variants that a branch changes; see `version_judge` for its versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.promotion import variant_past
from modelctl.repository import trees, variants
from modelctl.repository.versions import read_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelctl.repository.branch import Branch
    from modelctl.repository.environments import Environment
    from modelctl.repository.trees import Entry
    from modelctl.repository.variants import Content
    from modelctl.repository.versions import ChartVersion, Version


@dataclass(frozen=True)
class Variants:
    """The variant files of a branch and its target."""

    branch: Branch
    now: datetime

    def violations(self) -> Iterator[str]:
        """Why those that the branch changes may not be merged.

        Every commit counts, not only the last one: a merge may keep them, and each of their
        variants would be one that ran.
        """
        log = trees.log_between(
            self.branch.root, self.branch.target, self.branch.head, [variants.FILES]
        )
        seen = set()
        for path, entry in [*self.branch.changed.items(), *(each[1:] for each in log)]:
            match = variants.VARIANT_FILE.fullmatch(path)
            environment = self._environments.get(match[1]) if match else None
            content = self._content(path, entry)
            if match is None or environment is None or content is None:
                continue
            key = (path, *content.artifacts, content.share, content.match)
            if key in seen:
                continue
            seen.add(key)
            before = self._content(path, self.branch.before.get(path))
            judge, target = self.branch.judge, self.branch.target
            found = variant_past.change_violations(
                judge, environment, match[2], before, content, self.now, target
            )
            yield from (f"{path}: {violation}" for violation in found)

    def is_winner(self, path: str, version: Version) -> bool:
        """Whether a version file takes the version of a variant beside it, with its own chart."""
        folder = path.removesuffix("version.yaml") + f"{variants.FOLDER}/"
        beside = [other for other in self.branch.before if other.startswith(folder)]
        contents = (self._content(other, self.branch.before[other]) for other in beside)
        is_beside = any(
            content is not None and content.artifacts == (version.image, version.model)
            for content in contents
        )
        return is_beside and version.chart == _chart(self.branch.text_before(path))

    @cached_property
    def _environments(self) -> dict[str, Environment]:
        return {each.name: each for each in self.branch.judge.environments}

    def _content(self, path: str, entry: Entry | None) -> Content | None:
        """The content of a file; None if it is gone, or none that Argo CD would render."""
        text = self.branch.text(entry)
        if text is None or not variants.VARIANT_FILE.fullmatch(path):
            return None
        try:
            return variants.parse(Path(path), text).content
        except ModelctlError:  # reported by the structural checks
            return None


def _chart(text: str | None) -> ChartVersion | str | None:
    """The chart in a version file; a text, which no chart equals, for a file without a version."""
    try:
        return read_version(Path("version.yaml"), (text or "").encode()).chart
    except ModelctlError:
        return ""
