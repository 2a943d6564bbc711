"""`modelctl check`: check every file under environments/ against the rules."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._options import output_option
from modelctl.errors import RefusedError, UsageError
from modelctl.promotion import branch_rules, check, merge_rules, repair
from modelctl.repository import branch as branches
from modelctl.repository import checkout
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from modelctl.repository.branch import Branch


@click.command()
@click.option("--base", help="Target branch: its rules apply, and only changed files are checked")
@click.option("--head", help="Commit to check, read from git only; default: the files here")
@click.option("--live", is_flag=True, help="Health of promoted versions from the cluster")
@output_option
def command(base: str | None, head: str | None, live: bool, output: str) -> None:
    """Check every file under environments/ and print each problem with file and line.

    With --base (a branch or a commit), every changed version file also has to pass the promotion
    rules as they are there, whoever edited it. Make it a required check of your pull requests.

    With --head too, nothing is read from the files here: run it in a checkout of the target
    branch, so that neither the rules nor this program come from the change.

    \b
    Examples:
      modelctl check
      modelctl check --base origin/main
      modelctl check --base origin/main --head my-branch
    """
    known: list[str] = []
    if base is None:
        for option, is_given in (("--head", head is not None), ("--live", live)):
            if is_given:
                raise UsageError(
                    f"{option} needs --base", fix=f"modelctl check --base origin/main {option} ..."
                )
        repository = Repository.find()
        violations, summary = check.file_violations(repository), _summary(repository)
    else:
        # Rules that cannot be read are no obstacle for the change that repairs them.
        branch = branches.between(checkout.find_root(None, ".git"), base, head)
        verdict = _judge(branch, live=live)
        violations, known = verdict.violations, verdict.evidence
        count = len(branch.changes.names)
        summary = f"{count} changed file{'' if count == 1 else 's'}: no problems"
    if output == "json":
        _result.echo_json({"problems": violations, "evidence": known})
    else:
        for line in known:
            click.echo(line)
    if violations:
        count = len(violations)
        raise RefusedError("\n".join([f"{count} problem{'' if count == 1 else 's'}", *violations]))
    if output == "table":
        click.echo(summary)


def _judge(branch: Branch, *, live: bool) -> merge_rules.Verdict:
    """Cheapest first: what is no plain file is not read at all."""
    violations = list(branch_rules.kind_violations(branch))
    needed = repair.find(branch) if not violations else repair.Repair(branch, {})
    violations += needed.violations()
    if violations:
        return merge_rules.Verdict(violations, [])
    with tempfile.TemporaryDirectory(prefix="modelctl-") as folder:
        exported = branch.is_committed
        checked = branch.export(Path(folder)) if exported else Repository.find(branch.root)
        violations = check.file_violations(checked, branch.changes, needed.markers)
        violations += needed.result_violations(checked)
    if violations:
        return merge_rules.Verdict(violations, [])
    if not needed.has_environments:
        return merge_rules.Verdict(list(branch_rules.outdated_violations(branch)), needed.notes())
    verdict = merge_rules.judge(branch, datetime.now(UTC), live=live)
    return merge_rules.Verdict(verdict.violations, [*needed.notes(), *verdict.evidence])


def _summary(repository: Repository) -> str:
    return (
        f"environments/: no problems in {len(repository.environments)} environments, "
        f"{len(repository.models())} models"
    )
