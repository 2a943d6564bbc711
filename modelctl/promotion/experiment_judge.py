"""The rule for the versions that a branch changes in arms of running experiments.

What ran there before may come back at any time: production comes first, and the experiment is void.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.promotion import experiment_rules
from modelctl.repository import runs, variants, yamlfile
from modelctl.repository.branch import VERSION_FILE
from modelctl.repository.checkout import EXPERIMENT_FILE
from modelctl.repository.experiments import PRIMARY, Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelctl.repository.branch import Branch
    from modelctl.repository.variants import Artifacts


@dataclass(frozen=True)
class Experiments:
    """The experiments of a branch and its target."""

    branch: Branch
    now: datetime

    def violations(self) -> Iterator[str]:
        """Why versions may not change; an experiment that the change itself ends allows it."""
        environments = {each.name: each for each in self.branch.judge.environments}
        for path in sorted(self.branch.changed):
            match = VERSION_FILE.fullmatch(path) or variants.VARIANT_FILE.fullmatch(path)
            environment = environments.get(match[1]) if match else None
            if match is None or environment is None:
                continue
            file = f"environments/{match[1]}/{match[2]}/{EXPERIMENT_FILE}"
            before, after = (
                self._experiment(text_of(file))
                for text_of in (self.branch.text_before, self.branch.text_after)
            )
            if before is None or before.state(self.now) != "running":
                continue
            texts = self.branch.text_before(path), self.branch.text_after(path)
            old, new = (variants.artifacts_in(Path(path), text) for text in texts)
            arm = PRIMARY if path.endswith("/version.yaml") else Path(path).stem
            found = experiment_rules.version_violations(
                match[2], environment, after, {arm: (old, new)}, self.now
            )
            if found and not self._has_run(path, new):
                yield from (f"{path}: {violation}" for violation in found)

    def _experiment(self, text: str | None) -> Experiment | None:
        if text is None:
            return None
        try:
            return yamlfile.validate_strict(Experiment, Path(EXPERIMENT_FILE), text)
        except ModelctlError:  # reported by the structural checks, or the target has it already
            return None

    def _has_run(self, path: str, artifacts: Artifacts | None) -> bool:
        """Whether the target branch once had this here."""
        history = runs.read(self.branch.root, self.branch.target, [path]).get(path, [])
        entries = [run.entry for run in history if run.entry is not None]
        self.branch.preload(entries)
        return any(
            variants.artifacts_in(Path(path), self.branch.text(entry)) == artifacts
            for entry in entries
        )
