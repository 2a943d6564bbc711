"""`modelctl check`: check every file under environments/ against the rules."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands._options import output_option
from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import branch_rules, check, merge_rules
from modelctl.repository import branch as branches
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
    repository = Repository.find()
    known: list[str] = []
    if base is None:
        for option, is_given in (("--head", head is not None), ("--live", live)):
            if is_given:
                raise ModelctlError(
                    f"{option} needs --base", fix=f"modelctl check --base origin/main {option} ..."
                )
        violations, summary = check.file_violations(repository), _summary(repository)
    else:
        branch = branches.between(repository.root, base, head)
        verdict = _judge(repository, branch, live=live)
        violations, known = verdict.violations, verdict.evidence
        count = len(branch.changes.names)
        summary = f"{count} changed file{'' if count == 1 else 's'}: no problems"
    if output == "json":
        click.echo(json.dumps({"problems": violations, "evidence": known}, indent=2))
    else:
        for line in known:
            click.echo(line)
    if violations:
        count = len(violations)
        raise RefusedError("\n".join([f"{count} problem{'' if count == 1 else 's'}", *violations]))
    if output == "table":
        click.echo(summary)


def _judge(repository: Repository, branch: Branch, *, live: bool) -> merge_rules.Verdict:
    """Cheapest first: what is no plain file is not read at all."""
    violations = list(branch_rules.kind_violations(branch))
    if not violations:
        with tempfile.TemporaryDirectory(prefix="modelctl-") as folder:
            checked = branch.export(Path(folder)) if branch.is_committed else repository
            markers = branch.text_before(check.CHART_VALUES)
            violations = check.file_violations(checked, branch.changes, markers)
    if violations:
        return merge_rules.Verdict(violations, [])
    return merge_rules.judge(branch, datetime.now(UTC), live=live)


def _summary(repository: Repository) -> str:
    return (
        f"environments/: no problems in {len(repository.environments)} environments, "
        f"{len(repository.models())} models"
    )
