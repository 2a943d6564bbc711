"""The promotion rules for a branch: manual edits have to pass the same rules as commands.

Rules, freezes and history are those of the target branch, never those of the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.cluster import kube
from modelctl.errors import ModelctlError
from modelctl.promotion import branch_rules, freeze_rules
from modelctl.promotion.experiment_judge import Experiments
from modelctl.promotion.variant_judge import Variants
from modelctl.promotion.version_judge import Versions
from modelctl.promotion.version_past import VersionPast
from modelctl.rendering import charts

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.branch import Branch


@dataclass(frozen=True)
class Verdict:
    """Why a branch may not be merged, and what is known of the versions that it promotes."""

    violations: list[str]
    evidence: list[str]


def judge(branch: Branch, now: datetime, *, live: bool = False) -> Verdict:
    """Whether a branch may be merged into its target.

    Reads changed files only, so that the time does not depend on the number of models. `live`
    reads the health of promoted versions from the cluster; raises ModelctlError if none is
    reachable.
    """
    if live:
        _require_cluster()
    broken = freeze_rules.broken_freeze(branch)
    versions = Versions(VersionPast(branch, live), now, broken)
    violations = [
        *branch_rules.outdated_violations(branch),
        *([] if broken else branch_rules.mixed_violations(branch)),
        *charts.release_violations(
            branch.changed,
            branch.text_before(charts.DEFINITION),
            branch.text_after(charts.DEFINITION),
        ),
        *freeze_rules.violations(branch, now, broken),
        *versions.violations(),
        *Variants(branch, now).violations(),
        *Experiments(branch, now).violations(),
    ]
    return Verdict(list(dict.fromkeys(violations)), versions.evidence)


def _require_cluster() -> None:
    try:
        kube.application("any")
    except kube.UnreachableError as error:
        raise ModelctlError(
            "--live: no cluster reachable",
            expected="a cluster that knows the health of promoted versions",
            found=error.reason,
            fix="check `kubectl config current-context`, or leave out --live: soak time then "
            "goes by git, health is not checked",
        ) from error
